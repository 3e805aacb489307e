-- A journal as schema version 1 wrote it. Never edited.
CREATE TABLE events (
            event_id INTEGER PRIMARY KEY AUTOINCREMENT,
            at REAL NOT NULL,
            kind TEXT NOT NULL,
            detail BLOB NOT NULL -- JSON
        );
INSERT INTO "events" VALUES(2,904.0,'link_down',X'7B22726561736F6E223A2273696C656E74227D');
CREATE TABLE idempotency_keys (
            key BLOB PRIMARY KEY, -- SHA-256 of what the till sent: any length, any bytes
            kind TEXT NOT NULL,
            content TEXT NOT NULL,
            job_number INTEGER REFERENCES jobs (number) ON DELETE CASCADE,
            kick_id INTEGER REFERENCES kicks (kick_id) ON DELETE CASCADE,
            created_at REAL NOT NULL
        ) WITHOUT ROWID;
INSERT INTO "idempotency_keys" VALUES(X'0BAFE22156D2698C143B86040446D366EAD863BA600D5C924F3D15C786EF4057','print','6f32860910ca0fb2a20c7fda143666b09dbf8db5238195c90a586fb542ff0cad',3,NULL,900.0);
CREATE TABLE job_data (
            number INTEGER PRIMARY KEY REFERENCES jobs (number) ON DELETE CASCADE,
            data BLOB NOT NULL
        );
INSERT INTO "job_data" VALUES(3,X'72656365697074');
CREATE TABLE jobs (
            number INTEGER PRIMARY KEY AUTOINCREMENT, -- order of acceptance; the clock may jump
            job_id TEXT NOT NULL UNIQUE,
            state TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'printed', 'unconfirmed', 'failed', 'cancelled')),
            source TEXT NOT NULL,
            size_bytes INTEGER NOT NULL,
            sha256 TEXT NOT NULL,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            reason TEXT,
            boot_id TEXT,
            sent_bytes INTEGER NOT NULL DEFAULT 0,
            warning TEXT
        );
INSERT INTO "jobs" VALUES(3,'00112233aabbccdd','printed','api',7,'6f32860910ca0fb2a20c7fda143666b09dbf8db5238195c90a586fb542ff0cad',900.0,901.5,NULL,'b1',7,NULL);
CREATE TABLE kicks (
            kick_id INTEGER PRIMARY KEY AUTOINCREMENT,
            source TEXT NOT NULL,
            drawer INTEGER NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('requested', 'opened', 'unverified', 'failed')),
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            reason TEXT
        );
INSERT INTO "kicks" VALUES(5,'api',1,'requested',902.0,902.0,NULL);
CREATE TABLE scans (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            hub_id TEXT NOT NULL,
            boot_id TEXT NOT NULL,
            hub_sequence INTEGER NOT NULL,
            raw BLOB NOT NULL,
            symbology TEXT,
            check_digit_ok INTEGER,
            repeat INTEGER NOT NULL,
            read_at REAL NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'expired')),
            UNIQUE (hub_id, boot_id, hub_sequence)
        );
INSERT INTO "scans" VALUES(7,'hub','b1',12,X'34303036333831333333393331',']E0',1,0,903.0,'waiting');
CREATE INDEX jobs_open ON jobs (number, size_bytes) WHERE state IN ('queued', 'sending');
CREATE INDEX jobs_final ON jobs (created_at) WHERE state NOT IN ('queued', 'sending');
CREATE INDEX jobs_content ON jobs (sha256, number);
CREATE INDEX kicks_open ON kicks (kick_id) WHERE state = 'requested';
CREATE INDEX kicks_final ON kicks (created_at) WHERE state <> 'requested';
CREATE INDEX idempotency_keys_job ON idempotency_keys (job_number) WHERE job_number IS NOT NULL;
CREATE INDEX idempotency_keys_kick ON idempotency_keys (kick_id) WHERE kick_id IS NOT NULL;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
CREATE INDEX scans_waiting ON scans (sequence) WHERE state = 'waiting';
CREATE INDEX scans_settled ON scans (read_at) WHERE state <> 'waiting';
CREATE INDEX events_age ON events (at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('jobs',3);
INSERT INTO "sqlite_sequence" VALUES('kicks',5);
INSERT INTO "sqlite_sequence" VALUES('scans',7);
INSERT INTO "sqlite_sequence" VALUES('events',2);
PRAGMA user_version = 1;

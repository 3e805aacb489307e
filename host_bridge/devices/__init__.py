"""One service a device, in UnifiedPOS terms: what stands between the till interfaces and the hub."""

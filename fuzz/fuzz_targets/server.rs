#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| osm_fuzz::targets::server(bytes));

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nodeagent::fuzz::client_files(data));

//! How fast compiler output passes the sieve that knows 200 secrets: `cargo run --release --example redact`.

use std::{io::Write as _, time::Instant};

use nodeagent::redact::{Secret, Stream};

const LINE: &str = "g++ -std=gnu++17 -I\"/usr/share/R/include\" -DNDEBUG -I../inst/include -fpic -g0 -O2 -c stri_search.cpp -o \
                    stri_search.o\nicu69/common/unicode/utf8.h:341:12: warning: comparison of integer expressions of different \
                    signedness [-Wsign-compare]\n";

fn main() -> std::io::Result<()> {
    let random = &mut fastrand::Rng::with_seed(1);
    for _ in 0..200 {
        let value: String = (0..random.usize(12..48)).map(|_| random.alphanumeric()).collect();
        drop(Secret::from(value));
    }
    let text: Vec<u8> = LINE.bytes().cycle().take(100 << 20).collect();
    let mut stream = Stream::default();
    let began = Instant::now();
    let shown: usize = text.chunks(16 << 10).map(|piece| stream.push(piece).len()).sum();
    let shown = shown + stream.finish().len();
    let took = began.elapsed();
    let megabytes_per_second = text.len() as u128 / took.as_micros().max(1);
    writeln!(std::io::stdout(), "{} bytes in, {shown} out, {took:.1?}: {megabytes_per_second} MB/s", text.len())
}

//! Writes a sample of the page for finance to the path that is given.

mod sample;

fn main() -> std::io::Result<()> {
    let path = std::env::args_os()
        .nth(1)
        .unwrap_or_else(|| "page.html".into());
    std::fs::write(path, sample::Sample::new(40).page())
}

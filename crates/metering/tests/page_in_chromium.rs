//! The page in a real browser: it runs without a word on the console, asks nobody for anything, is
//! sorted by its script, and fits a phone. Skipped, loudly, where there is no Chromium.
#![allow(clippy::print_stderr, clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../examples/sample/mod.rs"]
mod sample;

const LIMIT: Duration = Duration::from_secs(180);
const TENANTS: u64 = 40;

/// What Chromium printed: the document, and its log.
struct Printed {
    out: String,
    log: String,
}

fn has_chromium() -> bool {
    let found = Command::new("chromium")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        eprintln!("SKIPPED: there is no chromium here, so nobody looked at the page in a browser");
    }
    found
}

/// Runs Chromium in `folder` and ends it after [`LIMIT`].
fn chromium(folder: &Path, arguments: &[&str], page: &str) -> Printed {
    let (out, log) = (folder.join("out.txt"), folder.join("log.txt"));
    let url = format!("file://{}/{page}", folder.display());
    let mut child = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            "--enable-logging=stderr",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .args(arguments)
        .arg(&url)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("chromium was still busy after {LIMIT:?}: {arguments:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let printed = Printed {
        out: fs::read_to_string(&out).unwrap(),
        log: String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned(),
    };
    let console: Vec<_> = printed
        .log
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert_eq!(console, Vec::<&str>::new(), "{arguments:?}");
    printed
}

/// Width and height of a PNG that is more than one colour: those compress to next to nothing.
fn png_size(path: &Path) -> (u32, u32) {
    let bytes = fs::read(path).unwrap();
    assert!(
        bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
        "{}",
        path.display()
    );
    assert!(
        bytes.len() > 20_000,
        "{} has {} bytes",
        path.display(),
        bytes.len()
    );
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

/// The first column of the table of tenants, from top to bottom.
fn first_column(document: &str) -> Vec<String> {
    let table = document.split("<table id=\"tenants\"").nth(1).unwrap();
    let table = table.split("</table>").next().unwrap();
    let body = table.split("</thead>").nth(1).unwrap();
    let heads = body.split("<th scope=\"row\"").skip(1);
    heads
        .map(|head| {
            let text = head.split_once('>').unwrap().1;
            text.split("</th>").next().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn the_page_works_in_a_browser() {
    if !has_chromium() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(
        folder.join("page.html"),
        sample::Sample::new(TENANTS).page(),
    )
    .unwrap();

    let as_it_comes = chromium(folder, &["--dump-dom"], "page.html").out;
    assert!(
        as_it_comes.contains("data-sortable=\"yes\""),
        "the script did not run"
    );
    assert!(as_it_comes.contains("<title>Costs and value of November 2026 (example prices)"));
    let order = first_column(&as_it_comes);
    assert_eq!(order.len(), usize::try_from(TENANTS).unwrap() + 2);
    assert_eq!(order[40..], ["Unallocated", "Total"]);

    let by_name = chromium(folder, &["--dump-dom"], "page.html#sort=Tenant-descending").out;
    let by_name = first_column(&by_name);
    assert_ne!(by_name, order);
    assert_eq!(by_name[40..], ["Unallocated", "Total"]);
    let at = |name: &str| by_name.iter().position(|one| one == name).unwrap();
    // By number where there is one, not by letter.
    assert!(at("Tenant 10") < at("Tenant 9") && at("Tenant 9") < at("Acme Insurance"));

    for (name, size, more) in [
        ("desktop.png", "1280,1600", ""),
        ("phone.png", "390,844", ""),
        (
            "dark.png",
            "1280,1600",
            "--blink-settings=preferredColorScheme=0",
        ),
    ] {
        let shot = format!("--screenshot={}", folder.join(name).display());
        let size_flag = format!("--window-size={size}");
        let mut arguments = vec![shot.as_str(), size_flag.as_str()];
        arguments.extend((!more.is_empty()).then_some(more));
        chromium(folder, &arguments, "page.html");
        let (width, height) = png_size(&folder.join(name));
        assert_eq!(format!("{width},{height}"), size, "{name}");
    }
    assert_ne!(
        fs::read(folder.join("desktop.png")).unwrap(),
        fs::read(folder.join("dark.png")).unwrap(),
    );
}

#[test]
fn the_page_fits_a_phone_and_prints() {
    if !has_chromium() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(
        folder.join("page.html"),
        sample::Sample::new(TENANTS).page(),
    )
    .unwrap();
    // The page lets no script of others run, so a frame around it measures.
    let frame = "<!doctype html><iframe id=\"f\" src=\"page.html\" width=\"390\" height=\"800\">\
        </iframe><script>document.getElementById('f').onload = function () {\
        var e = this.contentDocument.documentElement;\
        document.body.dataset.overflow = e.scrollWidth - e.clientWidth;\
        document.body.dataset.requests = this.contentWindow.performance\
        .getEntriesByType('resource').filter(function (one) {\
        return !one.name.startsWith('data:') }).length; };</script>";
    fs::write(folder.join("frame.html"), frame).unwrap();
    let arguments = ["--dump-dom", "--allow-file-access-from-files"];
    let measured = chromium(folder, &arguments, "frame.html").out;
    assert!(measured.contains("data-overflow=\"0\""), "{measured}");
    assert!(measured.contains("data-requests=\"0\""), "{measured}");

    let pdf = folder.join("page.pdf");
    let print = format!("--print-to-pdf={}", pdf.display());
    chromium(folder, &[&print], "page.html");
    let bytes = fs::read(pdf).unwrap();
    assert!(
        bytes.starts_with(b"%PDF-") && bytes.len() > 20_000,
        "{}",
        bytes.len()
    );
}

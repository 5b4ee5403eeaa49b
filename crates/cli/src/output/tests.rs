//! What is printed.

use super::*;

#[derive(Serialize)]
struct Pair {
    name: &'static str,
    display_name: &'static str,
}

impl Row for Pair {
    const COLUMNS: &'static [&'static str] = &["name", "display name"];
    fn cells(&self) -> Vec<String> {
        vec![self.name.to_owned(), self.display_name.to_owned()]
    }
}

const ROWS: [Pair; 2] = [
    Pair {
        name: "tenants/a",
        display_name: "Acme, \"the\" one\nand \u{1b}[31monly",
    },
    Pair {
        name: "tenants/long",
        display_name: "",
    },
];

fn printed(format: Format, print: impl FnOnce(&mut Output)) -> String {
    let captured = Captured::default();
    print(&mut captured.output(format));
    captured.text()
}

#[test]
fn tables_are_plain_aligned_and_harmless() {
    let table = printed(Format::Table, |out| out.list(&ROWS).unwrap());
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "NAME          DISPLAY NAME");
    assert_eq!(
        lines[1],
        "tenants/a     Acme, \"the\" one and \u{FFFD}[31monly"
    );
    assert_eq!(lines[2], "tenants/long");
    assert_eq!(
        printed(Format::Table, |out| out.list::<Pair>(&[]).unwrap()),
        "nothing\n"
    );
}

#[test]
fn one_thing_is_told_field_by_field() {
    let text = printed(Format::Table, |out| out.one(&ROWS[0]).unwrap());
    assert!(
        text.starts_with("name          tenants/a\ndisplay name  Acme"),
        "{text}"
    );
}

#[test]
fn json_is_one_document_and_csv_is_quoted() {
    let json = printed(Format::Json, |out| out.list(&ROWS).unwrap());
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value[1]["display_name"], "");
    let csv = printed(Format::Csv, |out| out.list(&ROWS).unwrap());
    assert!(
        csv.starts_with("name,display_name\ntenants/a,\"Acme, \"\"the\"\" one\n"),
        "{csv}"
    );
}

#[test]
fn a_spreadsheet_runs_no_formula_of_ours() {
    let cells = [
        "=HYPERLINK(\"x\")",
        "@SUM(A1)",
        "+49 30 1",
        "-1.5",
        "- a list",
        "plain",
    ];
    let written = cells.map(|cell| harmless(cell.to_owned()));
    assert_eq!(
        written,
        [
            "'=HYPERLINK(\"x\")",
            "'@SUM(A1)",
            "'+49 30 1",
            "-1.5",
            "'- a list",
            "plain"
        ]
    );
    let captured = Captured::default();
    let mut output = captured.output(Format::Csv);
    output.spreadsheet = true;
    output.list(&ROWS).unwrap();
    assert!(captured.text().starts_with("\u{feff}name,"));
}

#[test]
fn a_closed_pipe_is_told_from_an_error() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for format in [Format::Table, Format::Json, Format::Csv] {
        let mut output = Output {
            format,
            spreadsheet: false,
            decorated: false,
            out: Box::new(Closed),
        };
        assert!(output.list(&ROWS).unwrap_err().is_broken_pipe());
    }
}

#[test]
fn times_are_rfc_3339() {
    let at = prost_types::Timestamp {
        seconds: 1_714_546_800,
        nanos: 120_000_000,
    };
    assert_eq!(time(Some(&at)).as_deref(), Some("2024-05-01T07:00:00.120Z"));
    assert_eq!(short_time(time(Some(&at)).as_ref()), "2024-05-01T07:00:00Z");
    assert_eq!(time(None), None);
}

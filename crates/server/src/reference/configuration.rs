//! `docs/configuration.md`, from the structs of the configuration.

use std::fmt::Write as _;

use serde_json::Value;

use super::assert_page;
use crate::config::Config;

const SOURCES: [&str; 2] = [
    include_str!("../config.rs"),
    include_str!("../config/retention.rs"),
];

const HEAD: &str = "# Configuration

Generated from the structs in `crates/server/src/config.rs`. A setting is read from the defaults, then from
the file of `tenantry serve --config FILE` (TOML), then from a variable of the environment, then from a
flag; the last one wins. Unknown keys are refused, wherever they come from.
";

/// Variables that go by another name as well.
const ALSO: [(&str, &str); 3] = [
    ("data_dir", "TENANTRY_DATA_DIR"),
    ("embedding.model_dir", "TENANTRY_MODEL_DIR"),
    ("embedding.onnxruntime", "ORT_DYLIB_PATH"),
];

struct Field {
    name: String,
    kind: String,
    meaning: String,
}

#[test]
fn the_page_of_the_configuration_is_the_structs() {
    let defaults = serde_json::to_value(Config::default()).unwrap();
    let all = fields("Config");
    let (sections, keys): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|field| field.kind.ends_with("Section"));
    let mut page = HEAD.to_owned();
    table(&mut page, "", &keys, &defaults);
    for section in sections {
        write!(page, "\n## `[{}]`\n\n{}\n", section.name, section.meaning).unwrap();
        let fields = fields(&section.kind);
        table(&mut page, &section.name, &fields, &defaults[&section.name]);
    }
    assert_page("configuration.md", &page);
}

fn table(page: &mut String, section: &str, fields: &[Field], defaults: &Value) {
    page.push_str("\n| key | type | default | variable | meaning |\n|---|---|---|---|---|\n");
    for Field {
        name,
        kind,
        meaning,
    } in fields
    {
        let key = match section {
            "" => name.clone(),
            section => format!("{section}.{name}"),
        };
        let also = ALSO.iter().find(|(one, _)| *one == key);
        let own = format!("`TENANTRY_{}`", key.to_uppercase().replace('.', "__"));
        let variable = match also {
            Some((_, also)) if section.is_empty() => format!("`{also}`"),
            Some((_, also)) => format!("{own} or `{also}`"),
            None => own,
        };
        let default = default(&defaults[name]);
        let kind = words(kind);
        writeln!(
            page,
            "| `{key}` | {kind} | {default} | {variable} | {meaning} |"
        )
        .unwrap();
    }
}

fn default(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Object(entries) if entries.is_empty() => "none".to_owned(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// A Rust type as the reader of a page knows it.
fn words(kind: &str) -> String {
    let inner = kind
        .strip_prefix("Option<")
        .and_then(|rest| rest.strip_suffix('>'));
    if let Some(inner) = inner {
        return format!("{}, optional", words(inner));
    }
    match kind {
        "PathBuf" => "path",
        "SocketAddr" => "address with port",
        "SecretString" => "text, secret",
        "String" => "text",
        "bool" => "`true` or `false`",
        "u32" | "u64" | "usize" => "whole number",
        "BTreeMap<String, PathBuf>" => "table of paths",
        "LogFormat" => "`text` or `json`",
        other => panic!("say in words what {other} is"),
    }
    .to_owned()
}

/// The fields of a struct, with their comments, as they stand in the source.
fn fields(name: &str) -> Vec<Field> {
    let begin = format!("pub struct {name} {{");
    let source = SOURCES.iter().find_map(|text| text.split_once(&begin));
    let (_, body) = source.unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let (mut fields, mut meaning) = (Vec::new(), Vec::new());
    for line in body.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("/// ") {
            meaning.push(comment);
        } else if let Some(field) = line.strip_prefix("pub ") {
            let (name, kind) = field.trim_end_matches(',').split_once(": ").unwrap();
            fields.push(Field {
                name: name.to_owned(),
                kind: kind.to_owned(),
                meaning: std::mem::take(&mut meaning).join(" "),
            });
        }
    }
    assert!(!fields.is_empty(), "{name} has no fields");
    fields
}

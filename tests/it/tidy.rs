//! The house's own rules, checked on its source.

use std::path::{Path, PathBuf};

/// Which modules each module may name besides itself.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &["domain"]),
    ("config", &["domain"]),
    ("store", &["domain", "clock"]),
    ("server", &["domain", "clock"]),
    ("outbound", &["domain"]),
    (
        "engine",
        &["domain", "clock", "config", "store", "server", "outbound"],
    ),
    ("control", &["domain", "engine"]),
    ("tui", &["domain", "clock", "engine"]),
    (
        "cli",
        &[
            "domain", "clock", "config", "store", "server", "outbound", "engine", "control",
        ],
    ),
];

/// Crates that only one module may name.
const ALONE: &[(&str, &str)] = &[
    ("sled", "store"),
    ("axum", "server"),
    ("ratatui", "tui"),
    ("crossterm", "tui"),
    ("clap", "cli"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Returns every source file with its module and its text without comments.
fn sources() -> Vec<(PathBuf, String, String)> {
    let mut paths = Vec::new();
    files(&root().join("src"), &mut paths);
    let read = |path: PathBuf| {
        let inside = path.strip_prefix(root().join("src")).unwrap().to_owned();
        let first = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let module = first.trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        (inside, module, code)
    };
    paths.into_iter().map(read).collect()
}

/// Returns the modules that follow `crate::` in a text.
fn named(code: &str) -> Vec<&str> {
    let word = |rest: &str| {
        rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len())
    };
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(list) = rest.strip_prefix('{') {
            let list = list.split('}').next().unwrap_or_default();
            found.extend(
                list.split(',')
                    .map(str::trim)
                    .map(|item| &item[..word(item)])
                    .filter(|item| !item.is_empty()),
            );
        } else {
            found.push(&rest[..word(rest)]);
        }
    }
    found
}

#[test]
fn modules_depend_one_way() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (path, module, code) in sources() {
        let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| *name == module) else {
            continue;
        };
        for other in named(&code) {
            seen += 1;
            if other != module && !allowed.contains(&other) {
                wrong.push(format!("{} names {other}", path.display()));
            }
        }
        for (krate, owner) in ALONE {
            if module != *owner
                && (code.contains(&format!("{krate}::")) || code.contains(&format!("use {krate};")))
            {
                wrong.push(format!("{} names {krate}", path.display()));
            }
        }
    }
    assert!(seen > 100, "only {seen} names were looked at");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_stands_on_the_map() {
    let map = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for (module, _) in MAY_NAME {
        assert!(map.contains(&format!("//! - [`{module}`]: ")), "{module}");
    }
    for (path, _, code) in sources() {
        assert_ne!(path.file_name().unwrap(), "mod.rs", "{}", path.display());
        assert!(
            !code.contains("todo!") && !code.contains("unimplemented!"),
            "{}",
            path.display()
        );
    }
}

#[test]
fn every_provider_that_is_compiled_in_has_known_answers() {
    // Svix's own are those of its customers; the others sign as one that has
    // its own answers does, or repeat a token.
    let shared = ["svix", "asana", "dropbox", "meta", "microsoft-graph"];
    for provider in creel::domain::provider::Catalog::builtin().iter() {
        let file = root()
            .join("tests/vectors")
            .join(format!("{}.json", provider.name));
        assert!(
            file.is_file() || shared.contains(&provider.name.as_str()),
            "{} has none",
            provider.name
        );
    }
}

//! The README and the pages in `assets/docs` are true: their commands run,
//! their pictures are the screen's, their tables those of the source.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use creel::domain::doctor;
use creel::domain::verification::Group;
use creel::tui::action::ACTIONS;
use creel::tui::keymap::Keymap;

use crate::support::creel::{command, run};
use crate::support::pty::Pty;

/// The pages that `creel help` prints.
const TOPICS: [&str; 6] = [
    "signatures",
    "filters",
    "keys",
    "config",
    "providers",
    "limits",
];

/// Reads a file of the repository.
fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn readme() -> String {
    page("README.md")
}

/// Returns the code blocks that stand behind a mark.
fn blocks(readme: &str, mark: &str) -> Vec<String> {
    readme
        .split(&format!("<!-- {mark} -->\n```"))
        .skip(1)
        .map(|rest| {
            rest.split_once('\n')
                .unwrap()
                .1
                .split("\n```")
                .next()
                .unwrap()
                .to_owned()
        })
        .collect()
}

fn on_path(name: &str) -> bool {
    Command::new(name)
        .arg("--help")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

#[test]
fn its_commands_run() {
    // The lines of the README are for people who have these; without them
    // there is nothing to run.
    if !["curl", "openssl", "sh"].iter().all(|name| on_path(name)) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let readme = readme();
    let serve = blocks(&readme, "run: background").remove(0);
    let tool = Path::new(env!("CARGO_BIN_EXE_creel"))
        .parent()
        .unwrap()
        .display()
        .to_string();
    let shell = |script: &str| {
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", script])
            .env_clear()
            .current_dir(home.path());
        shell
            .env("HOME", home.path())
            .env("CREEL_DATA_DIR", home.path().join("data"));
        shell.env("PATH", format!("{tool}:{}", std::env::var("PATH").unwrap()));
        shell
    };
    // Any free port in the place of the usual one, which may be taken here.
    let mut child = shell(&format!("exec {} --listen 127.0.0.1:0", serve.trim()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut ready)
        .unwrap();
    let address = ready
        .trim()
        .strip_prefix("ready http://")
        .unwrap()
        .to_owned();
    let scripts = blocks(&readme, "run");
    assert!(
        scripts.len() >= 8,
        "only {} commands are run",
        scripts.len()
    );
    for script in &scripts {
        let ran = shell(&script.replace("127.0.0.1:2733", &address))
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{script}\n{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }
    let listed = run(
        home.path(),
        &["list", "--json", "sig:ok", "path:/hooks/*"],
        b"",
    )
    .lines();
    let mut providers: Vec<&str> = listed
        .iter()
        .map(|d| d["provider"].as_str().unwrap())
        .collect();
    providers.sort_unstable();
    assert_eq!(
        providers,
        [
            "porkbun",
            "stack-auth",
            "stackryze",
            "tenant-platform",
            "zyra",
            "zyra"
        ]
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn its_configuration_is_read() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join("creel.toml"),
        &blocks(&page("assets/docs/config.md"), "config")[0],
    )
    .unwrap();
    let ran = run(home.path(), &["list"], b"");
    let nothing = "Nothing has been received yet. Start receiving:  creel\n";
    assert_eq!((ran.code, ran.err.as_str()), (0, nothing));
}

#[test]
fn it_names_every_command_and_no_other() {
    let home = tempfile::tempdir().unwrap();
    let help = command(home.path()).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() >= 9, "{help}");
    let readme = readme();
    for name in &commands {
        assert!(
            readme.contains(&format!("`creel {name}")),
            "the README does not name creel {name}"
        );
    }
    let table = readme
        .split("## Commands")
        .nth(1)
        .unwrap()
        .split("An ID")
        .next()
        .unwrap();
    for rest in table.split("`creel ").skip(1) {
        let name = rest.split(['`', ' ']).next().unwrap();
        assert!(commands.contains(&name), "there is no creel {name}");
    }
}

/// Puts text between a mark and its end.
fn filled(readme: &str, mark: &str, end: &str, text: &str) -> String {
    let (before, rest) = readme
        .split_once(mark)
        .unwrap_or_else(|| panic!("no {mark}"));
    let (_, after) = rest.split_once(end).unwrap_or_else(|| panic!("no {end}"));
    format!("{before}{mark}\n{text}\n{end}{after}")
}

/// Writes a page where an update is asked for.
fn updated(name: &str, text: &str) -> bool {
    let asked = std::env::var_os("CREEL_UPDATE_README").is_some();
    if asked {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(name), text).unwrap();
    }
    asked
}

#[test]
fn every_page_is_printed_and_linked() {
    let home = tempfile::tempdir().unwrap();
    let readme = readme();
    for topic in TOPICS {
        let name = format!("assets/docs/{topic}.md");
        assert!(readme.contains(&name), "the README does not link {name}");
        let printed = run(home.path(), &["help", topic], b"");
        assert_eq!(printed.code, 0);
        let shown = page(&name);
        let shown = shown.lines().filter(|line| !line.starts_with("<!--"));
        assert!(printed.out.lines().eq(shown), "{topic}");
    }
    assert!(readme.lines().count() <= 300, "the README is too long");
    // Every link leads to a file, and to a heading where it names one.
    for link in readme.split("](assets/").skip(1) {
        let link = link.split(')').next().unwrap();
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let text = page(&format!("assets/{file}"));
        let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
        let mut slugs = headings.map(|line| line.to_lowercase().replace(' ', "-"));
        assert!(
            heading.is_empty() || slugs.any(|slug| slug == heading),
            "{link}"
        );
    }
}

#[test]
fn help_on_an_unknown_subject_names_the_nearest() {
    let home = tempfile::tempdir().unwrap();
    let near = run(home.path(), &["help", "signature"], b"");
    assert_eq!(near.code, 2);
    assert!(near.err.contains("creel help signatures"), "{}", near.err);
    let far = run(home.path(), &["help", "xyzzy"], b"");
    assert_eq!(far.code, 2);
    for topic in TOPICS {
        assert!(far.err.contains(topic), "{}", far.err);
    }
    let command = run(home.path(), &["help", "resend"], b"");
    assert_eq!(command.code, 0);
    assert!(command.out.contains("--new-event"), "{}", command.out);
}

#[test]
fn its_codes_are_those_of_the_doctor() {
    const PAGE: &str = "assets/docs/signatures.md";
    let before = page(PAGE);
    let mut table =
        String::from("| code | about | in the list | what |\n| --- | --- | --- | --- |");
    for known in doctor::codes() {
        let about = known.group.map_or("", Group::word);
        let (code, word, what) = (known.code, known.word, known.what);
        write!(table, "\n| `{code}` | {about} | {word} | {what} |").unwrap();
    }
    let with_codes = filled(&before, "<!-- codes -->", "<!-- /codes -->", &table);
    assert!(
        with_codes == before || updated(PAGE, &with_codes),
        "the table of codes is out of date; set CREEL_UPDATE_README=1 and test again"
    );
}

#[test]
fn its_keys_are_those_of_the_screen() {
    const PAGE: &str = "assets/docs/keys.md";
    let before = page(PAGE);
    let keymap = Keymap::load(None).unwrap();
    let mut table = String::from("| keys | does | where |\n| --- | --- | --- |");
    for spec in ACTIONS {
        let keys: Vec<String> = keymap
            .chords(spec.action)
            .iter()
            .map(|chord| format!("`{chord}`"))
            .collect();
        let place = spec.place.title().to_lowercase();
        write!(
            table,
            "\n| {} | {} | {place} |",
            keys.join(" "),
            spec.sentence
        )
        .unwrap();
    }
    let with_keys = filled(&before, "<!-- keys -->", "<!-- /keys -->", &table);
    assert!(
        with_keys == before || updated(PAGE, &with_keys),
        "the table of keys is out of date; set CREEL_UPDATE_README=1 and test again"
    );
}

#[test]
fn its_picture_is_that_of_the_screen() {
    let readme = readme();
    let home = tempfile::tempdir().unwrap();
    let mut pty = Pty::start(
        home.path(),
        &["--demo", "--listen", "127.0.0.1:0"],
        120,
        36,
        &[],
    );
    let kept = |s: &str| {
        s.split(" kept")
            .next()?
            .split_whitespace()
            .last()?
            .parse::<u32>()
            .ok()
    };
    pty.wait("a full list", |screen| {
        kept(screen).is_some_and(|count| count >= 15)
    });
    let chosen = |s: &str| {
        s.lines()
            .any(|l| l.contains('▶') && l.contains("BAD") && l.contains("stack-auth"))
    };
    let row = |s: &str| {
        s.lines()
            .find(|l| l.contains('▶'))
            .map(|l| l.chars().take(60).collect::<String>())
    };
    for _ in 0..5 {
        let before = pty.screen();
        if chosen(&before) {
            break;
        }
        pty.keys("n");
        pty.wait("the next problem", |screen| row(screen) != row(&before));
    }
    let screen = pty.wait("why", |s| {
        chosen(s) && s.contains("Signed with another secret")
    });
    pty.keys("q");
    pty.ended();
    let lines: Vec<&str> = screen.lines().map(str::trim_end).collect();
    // No port of a test run belongs into a picture.
    let port = lines[0]
        .split("127.0.0.1:")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let picture = lines.join("\n").replace(
        &format!("listening 127.0.0.1:{port}"),
        "listening 127.0.0.1:2733",
    );
    let main = "<!-- screen: main -->";
    let block = format!("```text\n{picture}\n```");
    if updated(
        "README.md",
        &filled(&readme, main, "<!-- /screen -->", &block),
    ) {
        return;
    }
    let shown = readme
        .split(main)
        .nth(1)
        .unwrap()
        .split("<!-- /screen -->")
        .next()
        .unwrap();
    // Times, ids and who comes first differ from run to run; the frame does not.
    for mark in ["TIME     SIG", "1 Overview", ": commands"] {
        let line = |text: &str| text.lines().find(|l| l.contains(mark)).map(str::to_owned);
        assert_eq!(
            line(shown),
            line(&picture),
            "the picture is out of date; set CREEL_UPDATE_README=1 and test again"
        );
    }
}

//! Defines the command-line arguments.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, CommandFactory as _, Parser, ValueEnum};

use super::edit::Changes;
use crate::domain::filter;
use crate::domain::rate;
use crate::domain::toml_error::nearest;

/// Receives webhooks, keeps every one, shows whether each is truly signed,
/// proves why not, and sends them again.
///
/// Without a command: receive and open the inspector; where a creel already
/// runs on the same data directory, open the inspector on that one.
#[derive(Debug, Parser)]
#[command(
    name = "creel",
    version,
    max_term_width = 100,
    after_help = EXIT_CODES,
    disable_help_subcommand = true
)]
pub struct Args {
    /// Flags of all commands.
    #[command(flatten)]
    pub global: Global,
    /// Flags that configure receiving.
    #[command(flatten)]
    pub receiving: Receiving,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Subcommand>,
}

const EXIT_CODES: &str = "Exit codes: 0 success; 1 negative result, such as an invalid signature; \
2 wrong usage or configuration; 3 failure; 130 interrupted.";

/// Flags of all commands.
#[derive(Clone, Debug, ClapArgs)]
pub struct Global {
    /// Configuration file, instead of creel.toml here or in the user's configuration folder.
    #[arg(long, global = true, env = "CREEL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory for the deliveries.
    #[arg(long, global = true, env = "CREEL_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print one JSON object per line and nothing else on standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colour.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Print less on standard error.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more on standard error; twice for even more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set or TERM is dumb.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Flags that configure receiving.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Receiving (creel, creel serve)")]
pub struct Receiving {
    /// Address to listen on; port 0 picks a free one [default: 127.0.0.1:2733].
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// URL of the app that deliveries are forwarded and resent to.
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// When deliveries are forwarded: ack-first, pass-through, hold [default: ack-first].
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,
    /// A signing secret: the secret itself, env:VARIABLE or <file:PATH>; NAME is an endpoint or a provider.
    #[arg(
        long = "secret",
        value_name = "[NAME=]VALUE",
        allow_hyphen_values = true
    )]
    pub secrets: Vec<String>,
    /// The provider, if the headers do not identify it.
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// Maximum body size [default: 10MiB].
    #[arg(long, value_name = "SIZE")]
    pub max_body: Option<String>,
    /// Status of the response [default: 200].
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(200..=599))]
    pub answer_status: Option<u16>,
    /// Body of the response.
    #[arg(long, value_name = "TEXT")]
    pub answer_body: Option<String>,
    /// Permissions for sending.
    #[command(flatten)]
    pub sending: Sending,
    /// Receive signed demo deliveries of five providers, stored in a temporary directory.
    #[arg(long)]
    pub demo: bool,
    /// Draw the inspector with ASCII characters only.
    #[arg(long)]
    pub ascii: bool,
}

impl Args {
    /// Parses the command line.
    ///
    /// # Errors
    /// Returns the usage error, or the requested help or version.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut lists = false;
        let mut secret = false;
        let words: Vec<OsString> = words
            .into_iter()
            .flat_map(|word| {
                lists |= word == "list";
                secret |= takes_secret(&word);
                if lists {
                    expand_negation(word)
                } else {
                    vec![word]
                }
            })
            .collect();
        Self::try_parse_from(words)
            .map_err(|error| if secret { without_values(error) } else { error })
    }
}

/// Returns `true` if a word is a flag that takes a secret, or resembles one.
fn takes_secret(word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    let Some(flag) = word.strip_prefix('-') else {
        return false;
    };
    let flag = flag.split('=').next().unwrap_or_default().trim_matches('-');
    let flags = ["secret", "old-secret"];
    flags.iter().any(|known| flag.starts_with(known)) || nearest(flag, &flags).is_some()
}

/// Removes the values from an error if one of them may be a misplaced secret.
/// Known names and the usage stay.
fn without_values(error: clap::Error) -> clap::Error {
    use clap::error::{ContextKind as Kind, ContextValue as Value};
    if !error.use_stderr() {
        return error;
    }
    let mut new = clap::Error::new(error.kind()).with_cmd(&Args::command());
    for (kind, value) in error.context() {
        let is_flag = |text: &String| text.starts_with("--") && !text.contains('=');
        let shown = match (kind, value) {
            (
                Kind::ValidValue
                | Kind::ValidSubcommand
                | Kind::Usage
                | Kind::MinValues
                | Kind::ExpectedNumValues
                | Kind::SuggestedArg
                | Kind::SuggestedSubcommand,
                known,
            ) => known.clone(),
            // A known flag with the names of its values.
            (Kind::InvalidArg | Kind::PriorArg, Value::String(text))
                if is_flag(text) && is_known(text) =>
            {
                value.clone()
            }
            (Kind::InvalidArg | Kind::PriorArg, Value::Strings(all)) => {
                Value::Strings(all.iter().filter(|text| is_known(text)).cloned().collect())
            }
            (Kind::InvalidArg | Kind::InvalidValue | Kind::InvalidSubcommand, _) => {
                Value::String("…".to_owned())
            }
            _ => continue,
        };
        new.insert(kind, shown);
    }
    new
}

/// Returns `true` if a text names a known flag or value.
fn is_known(text: &str) -> bool {
    let name = text.split([' ', '=']).next().unwrap_or_default();
    let Some(long) = name.strip_prefix("--") else {
        return name.starts_with(['<', '[']);
    };
    let command = Args::command();
    let has = |command: &clap::Command| command.get_arguments().any(|a| a.get_long() == Some(long));
    has(&command) || command.get_subcommands().any(has)
}

/// Rewrites `-key:value`, a negated filter term, as `not key:value`. No flag
/// has this form.
fn expand_negation(word: OsString) -> Vec<OsString> {
    let term = word.to_str().and_then(|word| word.strip_prefix('-'));
    let is_term = |term: &&str| {
        filter::KEYS
            .iter()
            .any(|(key, _)| term.starts_with(key) || (!key.ends_with(':') && term == key))
    };
    match term.filter(is_term) {
        Some(term) => vec!["not".into(), term.into()],
        None => vec![word],
    }
}

impl Receiving {
    /// Returns the first flag that was given.
    pub fn first_given(&self) -> Option<&'static str> {
        let flags = [
            (self.listen.is_some(), "--listen"),
            (self.target.is_some(), "--target"),
            (self.mode.is_some(), "--mode"),
            (!self.secrets.is_empty(), "--secret"),
            (self.provider.is_some(), "--provider"),
            (self.max_body.is_some(), "--max-body"),
            (self.answer_status.is_some(), "--answer-status"),
            (self.answer_body.is_some(), "--answer-body"),
            (self.sending.insecure, "--insecure"),
            (self.sending.allow_link_local, "--allow-link-local"),
            (self.demo, "--demo"),
            (self.ascii, "--ascii"),
        ];
        flags
            .iter()
            .find(|(given, _)| *given)
            .map(|(_, flag)| *flag)
    }

    /// Merges the flags after the command with those before it; the later ones
    /// win.
    #[must_use]
    pub fn or(&self, later: Self) -> Self {
        let mut secrets = self.secrets.clone();
        secrets.extend(later.secrets);
        Self {
            listen: later.listen.or_else(|| self.listen.clone()),
            target: later.target.or_else(|| self.target.clone()),
            mode: later.mode.or_else(|| self.mode.clone()),
            secrets,
            provider: later.provider.or_else(|| self.provider.clone()),
            max_body: later.max_body.or_else(|| self.max_body.clone()),
            answer_status: later.answer_status.or(self.answer_status),
            answer_body: later.answer_body.or_else(|| self.answer_body.clone()),
            sending: Sending {
                insecure: later.sending.insecure || self.sending.insecure,
                allow_link_local: later.sending.allow_link_local || self.sending.allow_link_local,
            },
            demo: later.demo || self.demo,
            ascii: later.ascii || self.ascii,
        }
    }
}

/// Permissions for sending.
#[derive(Clone, Copy, Debug, Default, ClapArgs)]
pub struct Sending {
    /// Accept any certificate of an https target, even one that proves nothing.
    #[arg(long)]
    pub insecure: bool,
    /// Allow link-local addresses, where clouds run their metadata service.
    #[arg(long)]
    pub allow_link_local: bool,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Receive without the interface.
    Serve(Receiving),
    /// List deliveries, newest first.
    List(List),
    /// Show one delivery with all details.
    Show(Show),
    /// Resend deliveries.
    Resend(Resend),
    /// Check the signature of a raw HTTP/1.1 request, offline.
    Verify(Verify),
    /// Print the headers a provider would send for a body.
    Sign(Sign),
    /// Send a signed sample event.
    Send(Send),
    /// List the known providers, or show one.
    Providers(Providers),
    /// Copy the readable data of a damaged data directory to a new one.
    Repair(Repair),
    /// Print a completion script.
    Completions {
        /// The shell to complete for.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
    /// Print help on a command or a topic.
    Help {
        /// A command, or one of signatures, filters, keys, config, providers, limits.
        #[arg(value_name = "COMMAND|TOPIC")]
        subject: Option<String>,
    },
}

/// Arguments of `creel list`.
#[derive(Debug, ClapArgs)]
pub struct List {
    /// Deliveries to list: words, sig: provider: event: endpoint: method: path: app: since: id: marked, with not, or.
    #[arg(value_name = "FILTER", num_args = 0..)]
    pub filter: Vec<String>,
    /// Maximum number of deliveries.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// Arguments of `creel repair`.
#[derive(Debug, ClapArgs)]
pub struct Repair {
    /// Directory to copy to, which must be empty or not exist yet [default: one next to the damaged].
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}

/// Arguments of `creel show`.
#[derive(Debug, ClapArgs)]
pub struct Show {
    /// An id, four or more characters of its start or end, or @latest.
    pub id: String,
}

/// Arguments of `creel resend`.
#[derive(Debug, ClapArgs)]
pub struct Resend {
    /// Ids, four or more characters of their start or end, or @latest.
    #[arg(value_name = "ID", required_unless_present = "filter")]
    pub ids: Vec<String>,
    /// Resend all deliveries that match, oldest first.
    #[arg(
        long,
        value_name = "FILTER",
        conflicts_with = "ids",
        allow_hyphen_values = true
    )]
    pub filter: Option<String>,
    /// URL to send to; without a path, the path of the delivery is used.
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// Retry on the provider's schedule until the delivery succeeds.
    #[arg(long, value_name = "AS")]
    pub retry: Option<RetryAs>,
    /// Divide the delays of --retry by this number.
    #[arg(long, value_name = "TIMES", default_value_t = 1, requires = "retry", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub compress: u32,
    /// Give up on these deliveries: end their retry schedules and stop waiting for their app.
    #[arg(long, conflicts_with_all = ["to", "retry", "sign", "rate", "spacing", "dry_run"])]
    pub stop: bool,
    /// Signature to send [default: kept; fresh for changed requests, and for a retry if there is a secret].
    #[arg(long, value_name = "HOW")]
    pub sign: Option<SignHow>,
    /// Print what would be sent, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// How many to send a second, or a minute: 10, 10/s, 30/m [default: as many as go].
    #[arg(long, value_name = "N", conflicts_with = "spacing", value_parser = rate::parse_rate)]
    pub rate: Option<Duration>,
    /// How long to wait between one and the next: 500ms, 2s.
    #[arg(long, value_name = "TIME", value_parser = rate::parse_interval)]
    pub spacing: Option<Duration>,
    /// Maximum number of sends in flight, 1 to 256; with 1 they arrive in order.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub parallel: u32,
    /// Do not ask before sending to other machines or giving up on all that match.
    #[arg(long)]
    pub yes: bool,
    /// Permissions for sending.
    #[command(flatten)]
    pub sending: Sending,
    /// Changes to the request.
    #[command(flatten)]
    pub changes: Changes,
}

/// The schedule of retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RetryAs {
    /// The schedule of the provider that sent the delivery.
    Provider,
}

/// The signature of a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SignHow {
    /// The received signature.
    Kept,
    /// A new signature, made with the endpoint's secret.
    Fresh,
}

/// Arguments of `creel verify`.
#[derive(Debug, ClapArgs)]
pub struct Verify {
    /// The request: request line, headers, empty line, body to the end; - is standard input.
    pub file: PathBuf,
    /// The provider [default: detected from the headers].
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// The signing secret, env:VARIABLE or <file:PATH>; several during a rotation.
    #[arg(long = "secret", value_name = "SECRET", allow_hyphen_values = true)]
    pub secrets: Vec<String>,
    /// An old secret; reported if it signed the request.
    #[arg(long = "old-secret", value_name = "SECRET", allow_hyphen_values = true)]
    pub old_secrets: Vec<String>,
    /// Test every hypothesis and print the results, even if the signature is valid.
    #[arg(long)]
    pub full: bool,
    /// A further parameter of the signature scheme.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,
    /// Time of arrival in Unix seconds [default: now].
    #[arg(long, value_name = "UNIX_SECONDS", allow_negative_numbers = true)]
    pub now: Option<i64>,
    /// The public URL, for schemes that sign it.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

/// Arguments of `creel sign`.
#[derive(Debug, ClapArgs)]
pub struct Sign {
    /// The body; - is standard input.
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// The provider.
    #[arg(long, value_name = "NAME")]
    pub provider: String,
    /// The signing secret, env:VARIABLE or <file:PATH>.
    #[arg(long, value_name = "SECRET", allow_hyphen_values = true)]
    pub secret: String,
    /// Name of the event.
    #[arg(long, value_name = "EVENT")]
    pub event: Option<String>,
    /// Id of the event [default: a new one].
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Time of sending in Unix seconds [default: now].
    #[arg(long, value_name = "UNIX_SECONDS", allow_negative_numbers = true)]
    pub now: Option<i64>,
    /// The method, for schemes that sign it.
    #[arg(long, value_name = "METHOD", default_value = "POST")]
    pub method: String,
    /// The URL, for schemes that sign it.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

/// Arguments of `creel send`.
#[derive(Debug, ClapArgs)]
pub struct Send {
    /// The provider.
    pub provider: String,
    /// The event [default: the provider's first].
    pub event: Option<String>,
    /// URL to send to.
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// The signing secret, env:VARIABLE or <file:PATH>.
    #[arg(long, value_name = "SECRET", allow_hyphen_values = true)]
    pub secret: String,
    /// Do not ask before sending to another machine.
    #[arg(long)]
    pub yes: bool,
    /// Permissions for sending.
    #[command(flatten)]
    pub sending: Sending,
}

/// Arguments of `creel providers`.
#[derive(Debug, ClapArgs)]
pub struct Providers {
    /// The provider to show.
    pub name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> (Args, List) {
        let words = ["creel", "list"].iter().chain(words).map(OsString::from);
        let mut args = Args::read(words).unwrap();
        match args.command.take() {
            Some(Subcommand::List(list)) => (args, list),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_behind_a_filter_are_flags() {
        let (args, list) = list(&[
            "sig:bad",
            "-path:/test*",
            "--limit",
            "2",
            "-marked",
            "--json",
        ]);
        assert_eq!(
            list.filter,
            ["sig:bad", "not", "path:/test*", "not", "marked"]
        );
        assert_eq!((list.limit, args.global.json), (Some(2), true));
    }

    #[test]
    fn unknown_flags_are_refused() {
        for words in [["creel", "list", "--limits"], ["creel", "list", "-word"]] {
            assert!(Args::read(words.map(OsString::from)).is_err());
        }
        let (_, list) = list(&["--", "-word"]);
        assert_eq!(list.filter, ["-word"]);
    }
}

//! A creel made of plain values, and somebody at its screen.

use bytes::Bytes;
use chrono::FixedOffset;
use creel::domain::address::ResolvedHost;
use creel::domain::assess::SignedText;
use creel::domain::attempt::{Attempt, AttemptKind, Outcome, Response, RetryPosition, Signing};
use creel::domain::attempt_verdict::AttemptVerdict;
use creel::domain::delivery::{Delivery, RecordedResponse, Responder};
use creel::domain::failure::Failure;
use creel::domain::filter::Filter;
use creel::domain::headers::Headers;
use creel::domain::id::Id;
use creel::domain::provider::KeyForm;
use creel::domain::request::Request;
use creel::domain::summary::{LastAttempt, Summary};
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::{
    Finding, Group, HypothesisTrial, Status, TrialOutcome, Verification,
};
use creel::engine::command::Preview;
use creel::engine::command::{
    Detail, Event, EventArrival, Info, Job, KnownSecret, ListQuery, Page, ProviderFacts,
    ResendRequest, ResendSupport, RetryPlan, Selection,
};
use creel::tui::app::{App, update};
use creel::tui::effect::Effect;
use creel::tui::keymap::{Chord, Keymap};
use creel::tui::look::{ASCII, Look, UNICODE, Zone};
use creel::tui::msg::Msg;
use creel::tui::theme::Theme;
use creel::tui::view::view;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

/// 2026-11-21 14:02:31.204 at +01:00.
pub(super) const NOW: Timestamp = Timestamp(1_795_266_151_204_000);

/// A creel and its screen.
pub(super) struct World {
    pub(super) app: App,
    pub(super) info: Info,
    pub(super) deliveries: Vec<Detail>,
    /// What was asked for besides what is answered here.
    pub(super) effects: Vec<Effect>,
    /// Whether deliveries that are asked for are not given until
    /// [`World::give`] is called.
    pub(super) slow: bool,
    asked: Vec<u64>,
}

impl World {
    /// Opens the screen on a creel that keeps these deliveries, oldest first.
    pub(super) fn open(size: (u16, u16), deliveries: Vec<Detail>) -> Self {
        Self::open_with(size, deliveries, look())
    }

    pub(super) fn open_with(size: (u16, u16), deliveries: Vec<Detail>, look: Look) -> Self {
        let keys = Keymap::load(None).expect("the keys creel starts with are right");
        let info = Info {
            version: "0.1.0".into(),
            listening: Some("http://127.0.0.1:2733".into()),
            data_dir: "/data".into(),
            kept: deliveries.len() as u64,
            bytes: 18 * 1024 * 1024 * deliveries.len().min(1) as u64,
            secrets: vec![known("porkbun", "sk1_…4fTq", "env:PORKBUN_SECRET")],
            ..Info::default()
        };
        let mut world = Self {
            app: App::new(look, keys, true),
            info,
            deliveries,
            effects: Vec::new(),
            slow: false,
            asked: Vec::new(),
        };
        world.tell(Msg::Resize(size.0, size.1));
        world.tell(Msg::Tick(NOW));
        world
    }

    /// Gives creel a target.
    pub(super) fn with_target(mut self, target: &str) -> Self {
        self.info.target = Some(target.into());
        for detail in &mut self.deliveries {
            detail.target = Some(target.into());
        }
        self.tell(Msg::Engine(Event::Missed));
        self.tell(Msg::Tick(Timestamp(NOW.0 + 2_000_000)));
        self.tell(Msg::Tick(NOW));
        self
    }

    /// Says what happened and answers what can be answered.
    pub(super) fn tell(&mut self, msg: Msg) {
        let mut queue = update(&mut self.app, msg);
        let mut rounds = 0;
        while !queue.is_empty() {
            rounds += 1;
            assert!(rounds < 100, "the screen asks for ever: {queue:?}");
            let effect = queue.remove(0);
            let answer = match &effect {
                Effect::Info => Msg::Info(Ok(self.info.clone())),
                Effect::Load(query) => Msg::Loaded(query.clone(), Ok(self.page(query))),
                Effect::Seek(query) => Msg::Sought(query.clone(), Ok(self.page(query))),
                Effect::Show(seq, _) | Effect::Examine(seq, _) if self.slow => {
                    self.asked.push(*seq);
                    continue;
                }
                Effect::Show(seq, _) | Effect::Examine(seq, _) => {
                    Msg::Shown(*seq, self.detail(*seq))
                }
                Effect::Preview(order) => Msg::Previewed(order.clone(), self.preview(order)),
                _ => {
                    self.effects.push(effect);
                    continue;
                }
            };
            queue.extend(update(&mut self.app, answer));
        }
    }

    /// Gives the deliveries that were asked for so far.
    pub(super) fn give(&mut self) {
        for seq in std::mem::take(&mut self.asked) {
            self.tell(Msg::Shown(seq, self.detail(seq)));
        }
    }

    /// Types keys: characters, and names such as `<enter>`, `<ctrl-d>`, `<shift-tab>`.
    pub(super) fn keys(&mut self, typed: &str) -> &mut Self {
        for chord in chords(typed) {
            self.tell(Msg::Key(chord.event()));
        }
        self
    }

    /// Answers the look-up that the inspector asked for, with those of the
    /// places that are not this machine.
    pub(super) fn located(&mut self, places: &[(&str, &str)]) {
        let effects = self.took();
        let [Effect::Locate(order, targets)] = &effects[..] else {
            panic!("{effects:?}");
        };
        let place = |(host, address): &(&str, &str)| ResolvedHost {
            host: (*host).to_owned(),
            addresses: vec![address.parse().unwrap()],
        };
        let places = places.iter().map(place).collect();
        self.tell(Msg::Located(order.clone(), targets.clone(), Ok(places)));
    }

    /// Begins what the inspector asked to be sent, and nothing else; returns
    /// the orders.
    pub(super) fn begin(&mut self) -> Vec<ResendRequest> {
        let effects = self.took();
        let orders = effects.into_iter().map(|effect| match effect {
            Effect::Resend(order) => order,
            other => panic!("{other:?}"),
        });
        let orders: Vec<_> = orders.collect();
        for order in &orders {
            let job = Job {
                id: 100,
                total: 1,
                ..Job::default()
            };
            self.tell(Msg::Begun(order.clone(), Ok(job)));
        }
        orders
    }

    /// Returns the effects since the last time.
    pub(super) fn took(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Keeps another delivery.
    pub(super) fn arrive(&mut self, mut make: impl FnMut(u64) -> Detail) {
        let seq = self.deliveries.len() as u64 + 1;
        let detail = make(seq);
        self.info.kept += 1;
        let row = detail.summary.clone();
        self.deliveries.push(detail);
        self.tell(Msg::Engine(Event::Added(row)));
    }

    /// Returns the selected delivery's number.
    pub(super) fn selected(&self) -> Option<u64> {
        self.app.list.selected().map(|row| row.seq)
    }

    /// Returns the text of the toast.
    pub(super) fn toast(&self) -> &str {
        self.app.toast.as_ref().map_or("", |t| &t.text)
    }

    /// Returns the screen's text.
    pub(super) fn picture(&self) -> String {
        let (width, height) = (self.app.size.width, self.app.size.height);
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal
            .draw(|frame| view(&self.app, &self.app.areas(), frame))
            .unwrap();
        terminal.backend().to_string()
    }

    fn page(&self, query: &ListQuery) -> Page {
        let filter = Filter::parse(&query.filter);
        let all = self.deliveries.iter().rev().map(|d| &d.summary);
        let rows: Vec<&Summary> = all.filter(|r| filter.matches(r, NOW)).collect();
        let offset = query.around.map_or(query.offset, |seq| {
            let newer = rows.iter().filter(|r| r.seq > seq).count();
            newer.saturating_sub(query.offset)
        });
        let window = rows.iter().skip(offset).take(query.limit);
        Page {
            offset,
            rows: window.map(|r| (*r).clone()).collect(),
            matching: rows.len(),
            total: self.deliveries.len(),
            notes: filter.notes().to_vec(),
            anchor: self
                .deliveries
                .iter()
                .map(|d| &d.summary)
                .find(|r| Some(r.seq) == query.around)
                .cloned()
                .map(Box::new),
        }
    }

    /// Says what would be sent, as an engine would: another host, and where
    /// it is signed, another signature, time and id.
    fn preview(&self, order: &ResendRequest) -> Result<Box<Preview>, Failure> {
        let Selection::Ids(ids) = &order.which else {
            panic!("the form names its deliveries");
        };
        let named = |d: &&Detail| d.delivery.id.to_string() == ids[0];
        let detail = self.deliveries.iter().find(named);
        let detail = detail.expect("the form is about one that is there");
        let old = detail.delivery.request.clone();
        let edited = order.edit.as_ref().map(|edit| edit.apply(&old).unwrap());
        let fresh = order.signing == Some(Signing::Fresh);
        if fresh && detail.provider.is_none() {
            return Err(Failure::no(
                "The delivery cannot be signed again.",
                "Nothing says which provider sent it.",
                "Resend it with the received signature.",
            ));
        }
        let mut new = edited.as_ref().map_or(&old, |e| &e.request).clone();
        let target = url::Url::parse(order.target.as_deref().unwrap()).unwrap();
        new.headers.set("host", target.authority());
        if fresh {
            new.headers.set("x-porkbun-signature", "sha256=new");
            let now = NOW.unix_seconds().to_string();
            new.headers.set("x-porkbun-webhook-timestamp", now);
        }
        if order.new_event {
            new.headers.set("x-porkbun-webhook-id", "evt-new");
        }
        Ok(Box::new(Preview {
            delivery: detail.delivery.id,
            address: target.to_string(),
            signing: order.signing.unwrap_or_default(),
            edited: edited.is_some(),
            later: vec!["x-porkbun-signature".into()],
            times: vec!["x-porkbun-webhook-timestamp".into()],
            notes: edited.map(|e| e.warnings).unwrap_or_default(),
            seed: 7,
            old,
            new,
        }))
    }

    fn detail(&self, seq: u64) -> Result<Box<Detail>, Failure> {
        let found = self.deliveries.iter().find(|d| d.delivery.seq == seq);
        let found = found.map(|d| Box::new(d.clone()));
        found.ok_or_else(|| Failure::no("There is no such delivery.", "It was removed.", ""))
    }
}

/// What may be shown of a secret.
pub(super) fn known(name: &str, fingerprint: &str, origin: &str) -> KnownSecret {
    KnownSecret {
        name: name.into(),
        fingerprint: fingerprint.into(),
        origin: origin.into(),
        old: false,
        pinned: Vec::new(),
    }
}

/// Colours, Unicode, a fixed zone.
pub(super) fn look() -> Look {
    Look {
        theme: Theme::Ansi,
        glyphs: &UNICODE,
        zone: Zone::Fixed(FixedOffset::east_opt(3_600).expect("an hour is in range")),
    }
}

pub(super) fn plain_look() -> Look {
    Look {
        theme: Theme::Plain,
        ..look()
    }
}

pub(super) fn ascii_look() -> Look {
    Look {
        theme: Theme::Plain,
        glyphs: &ASCII,
        ..look()
    }
}

/// Reads keys as they are typed.
pub(super) fn chords(typed: &str) -> Vec<Chord> {
    let mut chords = Vec::new();
    let mut rest = typed;
    while let Some(first) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|r| r.split_once('>'));
        let name = if let Some((name, after)) = named {
            rest = after;
            name.to_owned()
        } else {
            rest = &rest[first.len_utf8()..];
            if first == ' ' {
                "Space".to_owned()
            } else {
                first.to_string()
            }
        };
        let name = name.replace("ctrl-", "Ctrl-");
        chords.push(
            name.parse()
                .unwrap_or_else(|n| panic!("no key is called {n}")),
        );
    }
    chords
}

/// A delivery that is right in every way.
pub(super) fn valid(seq: u64) -> Detail {
    let body = format!(
        r#"{{"id":"evt_{seq}","type":"dns.record.updated","data":{{"amount":4200.00,"big":12345678901234567890,"ok":true,"none":null,"name":"A \u00e9"}}}}"#
    );
    let mut verification = Verification::new(Status::Valid);
    verification.provider = Some("porkbun".into());
    verification.scheme = Some("hmac-sha256 over {timestamp}.{body}, hex".into());
    verification.secret = Some("porkbun (sk1_…4fTq)".into());
    verification.timestamp = Some(NOW.unix_seconds() - 5);
    verification.age_seconds = Some(2);
    verification.tolerance_seconds = Some(300);
    verification.received =
        vec!["35c540d35fee65eca4297de56b44e9cdc5dd28deb23ed254318fdba135fd513f".into()];
    verification.expected.clone_from(&verification.received);
    detail(
        seq,
        "porkbun",
        "dns.record.updated",
        &body.into(),
        verification,
    )
}

/// A delivery signed with another secret.
pub(super) fn forged(seq: u64) -> Detail {
    let mut detail = valid(seq);
    detail.verification.status = Status::Invalid;
    detail.verification.secret = None;
    detail.verification.expected =
        vec!["764ab1d65111b60b28c2e925217b59544a8b8ce836cb851ba2b617b6bbe41cce".into()];
    detail.verification.findings = vec![
        Finding {
            code: "other_secret".into(),
            proved: true,
            message: "It was signed with the secret of another endpoint, \"billing-live\".".into(),
            advice: "Give this endpoint that secret: creel --secret porkbun=VALUE".into(),
            proof: "Recomputed: hmac-sha256 over 146 bytes with billing-live (sk9_…x2Qa) equals the received signature 35c540d35fee…".into(),
        },
        Finding {
            code: "clock".into(),
            proved: false,
            message: "The signed time lies 2 s before the arrival.".into(),
            advice: String::new(),
            proof: String::new(),
        },
    ];
    let tried = |code: &str, group, what: &str, outcome, reason: &str| HypothesisTrial {
        code: code.into(),
        group,
        what: what.into(),
        outcome,
        reason: reason.into(),
    };
    detail.verification.tried = vec![
        tried(
            "other_secret",
            Group::Secret,
            "another configured secret",
            TrialOutcome::Matched,
            &detail.verification.findings[0].proof,
        ),
        tried(
            "old_secret",
            Group::Secret,
            "a secret configured earlier",
            TrialOutcome::NotApplicable,
            "no earlier secret is known",
        ),
        tried(
            "secret_space",
            Group::Secret,
            "whitespace around the secret",
            TrialOutcome::NotMatched,
            "3 computed: no match",
        ),
        tried(
            "body_newline",
            Group::Body,
            "a newline at the end of the body added or removed",
            TrialOutcome::NotMatched,
            "2 computed: no match",
        ),
        tried(
            "body_line_ends",
            Group::Body,
            "the line endings of the body swapped between CRLF and LF",
            TrialOutcome::NotApplicable,
            "the body has no line endings",
        ),
        tried(
            "stale",
            Group::Time,
            "the signed time too old",
            TrialOutcome::NotMatched,
            "it is not too old",
        ),
    ];
    detail.summary.status = Status::Invalid;
    detail.summary.cause = Some("other_secret".into());
    detail
}

/// A delivery whose every field is hostile.
pub(super) fn hostile(seq: u64) -> Detail {
    let evil =
        "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}gpj.exe\u{200b}\u{9b}31m日本語テキスト👨\u{200d}👩";
    let body = format!(
        "{{\"{evil}\":\"{evil}\",\"deep\":[[[[1e400]]]],\"pad\":\"{}\"}}",
        "x".repeat(300)
    );
    let mut detail = valid(seq);
    detail.summary.provider = Some(evil.into());
    detail.summary.event = Some(evil.into());
    detail.summary.delivery_id = Some(evil.into());
    detail.summary.path = format!("/{evil}");
    detail.delivery.request.path = format!("/{evil}");
    detail.delivery.request.body = body.into();
    detail.delivery.endpoint = Some(evil.into());
    detail.summary.endpoint = Some(evil.into());
    detail.delivery.refused = None;
    detail.delivery.request.headers.push("x-evil", evil);
    detail
        .delivery
        .request
        .headers
        .push("x-bytes", b"\xff\xfe\x1b[31m");
    detail.verification.status = Status::Malformed;
    detail.verification.received = vec![evil.into()];
    detail.verification.findings = vec![Finding {
        code: "evil".into(),
        proved: true,
        message: evil.into(),
        advice: evil.into(),
        proof: evil.into(),
    }];
    detail.verification.tried = vec![HypothesisTrial {
        code: "evil".into(),
        group: Group::Body,
        what: evil.into(),
        outcome: TrialOutcome::NotMatched,
        reason: evil.into(),
    }];
    detail.summary.status = Status::Malformed;
    detail.attempts = vec![Attempt {
        error: Some(evil.into()),
        target: format!("http://example.test/{evil}"),
        ..attempt(&detail, 1, 0, 1_000)
    }];
    detail.verdicts = vec![AttemptVerdict::Failed];
    detail.provider = Some(ProviderFacts {
        title: evil.into(),
        notes: vec![evil.into()],
        docs: Some(evil.into()),
        ..facts()
    });
    detail
}

/// A delivery with a body that is no text.
pub(super) fn binary(seq: u64) -> Detail {
    let mut detail = valid(seq);
    let body: Vec<u8> = (0..=255).cycle().take(600).collect();
    detail.delivery.request.body = Bytes::from(body);
    detail
        .delivery
        .request
        .headers
        .set("content-type", "application/octet-stream");
    detail.summary.body_size = 600;
    detail
}

/// A delivery that nothing is known about.
pub(super) fn unknown(seq: u64) -> Detail {
    let mut detail = valid(seq);
    detail.verification = Verification::new(Status::UnknownProvider);
    detail.summary.status = Status::UnknownProvider;
    detail.summary.provider = None;
    detail.summary.event = None;
    detail.summary.delivery_id = None;
    detail.provider = None;
    detail.signed = None;
    let why = Some("nothing says which provider sent it".to_owned());
    detail.offers = ResendSupport {
        no_signature: why.clone(),
        no_retries: why,
    };
    detail
}

/// A delivery that was tried against an app three times.
pub(super) fn tried(seq: u64) -> Detail {
    let mut detail = valid(seq);
    detail.attempts = vec![
        attempt(&detail, 1, 401, 12_000),
        attempt(&detail, 2, 200, 6_200_000),
        attempt(&detail, 3, 200, 19_000),
    ];
    detail.attempts[1].within_ack_timeout = Some(false);
    detail.attempts[1].outcome = Outcome::Failed;
    detail.attempts[2].signing = Signing::Fresh;
    detail.verdicts = AttemptVerdict::all(&detail.attempts, |_| Status::Valid);
    detail.provider = Some(ProviderFacts {
        title: "Stackryze".into(),
        answer_within_ms: Some(5_000),
        ..facts()
    });
    detail.summary.attempts = 3;
    detail.summary.last_attempt = Some(LastAttempt {
        status: Some(200),
        outcome: Outcome::Delivered,
        duration_us: 19_000,
    });
    detail
}

/// A delivery whose provider's retry schedule is under way.
pub(super) fn scheduled(seq: u64) -> Detail {
    let mut detail = valid(seq);
    let began = Timestamp(NOW.0 - 8_000_000);
    let second = Timestamp(began.0 + 1_000_000);
    let third = Timestamp(second.0 + 20_000_000);
    let a_try = |number, due, next| {
        Some(RetryPosition {
            number,
            of: 6,
            compress: 60,
            began,
            due,
            next,
            failures: 20,
            to: "http://localhost:3000".into(),
            insecure: false,
            link_local: false,
        })
    };
    detail.attempts = [(503, began), (503, second), (0, second)]
        .into_iter()
        .zip(1..)
        .map(|((status, started_at), number)| Attempt {
            kind: AttemptKind::Retry,
            started_at,
            ..attempt(&detail, number, status, 9_000)
        })
        .collect();
    detail.attempts[0].retry = a_try(1, began, Some(second));
    detail.attempts[1].retry = a_try(2, second, Some(third));
    detail.attempts[2].retry = a_try(3, third, None);
    detail.attempts[2].outcome = Outcome::Pending;
    detail.verdicts = AttemptVerdict::all(&detail.attempts, |_| Status::Valid);
    detail.schedule = Some(RetryPlan {
        began,
        later: [30, 150].map(|s| Timestamp(third.0 + s * 1_000_000)).into(),
        assumed: false,
        note: Some("Porkbun would disable this endpoint now: 20 consecutive failures.".into()),
    });
    detail.summary.attempts = 3;
    detail.summary.pending = Some(3);
    detail.summary.last_attempt = Some(LastAttempt {
        status: None,
        outcome: Outcome::Pending,
        duration_us: 0,
    });
    detail
}

/// The third arrival of an event.
pub(super) fn retried(seq: u64) -> Detail {
    let mut detail = forged(seq);
    detail.summary.arrival = 3;
    let at = |minutes: i64| Timestamp(detail.delivery.received_at.0 - minutes * 60_000_000);
    let arrival = |n: u64, minutes| {
        let mut summary = detail.summary.clone();
        summary.seq = seq - 3 + n;
        summary.arrival = n as u32;
        summary.received_at = at(minutes);
        EventArrival {
            summary,
            same_body: true,
        }
    };
    detail.arrivals = vec![arrival(1, 60), arrival(2, 30), arrival(3, 0)];
    detail
}

/// A list as it is seen at work.
pub(super) fn many(count: u64) -> Vec<Detail> {
    (1..=count)
        .map(|seq| match seq % 7 {
            0 => forged(seq),
            3 => tried(seq),
            4 => unknown(seq),
            5 => binary(seq),
            6 if seq > 6 => retried(seq),
            _ => valid(seq),
        })
        .collect()
}

pub(super) fn attempt(detail: &Detail, number: u32, status: u16, duration_us: u64) -> Attempt {
    let at = Timestamp(detail.delivery.received_at.0 + i64::from(number) * 30_000_000);
    let good = status == 200;
    Attempt {
        id: Id::new(at, u128::from(number)),
        delivery_seq: detail.delivery.seq,
        number,
        target: "http://localhost:3000/hooks/billing".into(),
        started_at: at,
        kind: AttemptKind::Resend,
        signing: Signing::Kept,
        edited: None,
        sent_headers: [
            ("host", "localhost:3000"),
            ("content-type", "application/json"),
        ]
        .into_iter()
        .collect(),
        outcome: if good {
            Outcome::Delivered
        } else {
            Outcome::Failed
        },
        response: (status > 0).then(|| Response {
            status,
            headers: [("content-type", "text/plain")].into_iter().collect(),
            body: "No signatures found matching the expected signature.".into(),
            body_size: 52,
        }),
        duration_us,
        within_ack_timeout: None,
        error: None,
        retry: None,
    }
}

fn facts() -> ProviderFacts {
    ProviderFacts {
        title: "Porkbun".into(),
        answer_within_ms: None,
        answer_note: None,
        retry_note: None,
        retry_seconds: vec![60, 300, 1_800, 7_200, 21_600],
        attempts: Some(6),
        notes: vec!["Its event header is not signed.".into()],
        docs: Some("https://porkbun.com/api/json/v3/documentation".into()),
        secret_form: Some(KeyForm::Text),
    }
}

fn detail(
    seq: u64,
    provider: &str,
    event: &str,
    body: &Bytes,
    verification: Verification,
) -> Detail {
    let received_at = Timestamp(NOW.0 - 3_000_000 - (40 - seq.min(40).cast_signed()) * 61_000_000);
    let headers: Headers = [
        ("host", "hooks.example.test"),
        ("content-type", "application/json"),
        ("content-length", body.len().to_string().as_str()),
        ("x-porkbun-event", event),
        ("x-porkbun-webhook-timestamp", "1795266146"),
        (
            "x-porkbun-signature",
            "sha256=35c540d35fee65eca4297de56b44e9cdc5dd28deb23ed254318fdba135fd513f",
        ),
    ]
    .into_iter()
    .collect();
    let id = Id::new(received_at, u128::from(seq));
    let answer = RecordedResponse {
        status: 200,
        by: Responder::Creel,
        duration_us: Some(3_100),
    };
    let signed_start = [b"1795266146.", &body[..]].concat();
    let summary = Summary {
        seq,
        id,
        received_at,
        endpoint: None,
        provider: Some(provider.into()),
        event: Some(event.into()),
        delivery_id: Some(format!("7c91d8aa-{seq:04}")),
        arrival: 1,
        group_guessed: false,
        method: "POST".into(),
        path: "/hooks/billing".into(),
        query: None,
        remote_addr: "127.0.0.1:51514".into(),
        body_size: body.len() as u64,
        content_type: Some("application/json".into()),
        status: verification.status,
        cause: None,
        answer,
        refused: None,
        attempts: 0,
        last_attempt: None,
        marked: false,
        pending: None,
    };
    Detail {
        delivery: Delivery {
            seq,
            id,
            received_at,
            remote_addr: "127.0.0.1:51514".into(),
            endpoint: None,
            request: Request {
                method: "POST".into(),
                path: "/hooks/billing".into(),
                query: None,
                http_version: "1.1".into(),
                headers,
                body: body.clone(),
            },
            answer,
            refused: None,
        },
        arrivals: vec![EventArrival {
            summary: summary.clone(),
            same_body: true,
        }],
        summary,
        verification,
        suggested: None,
        signed: Some(SignedText {
            template: "{timestamp}.{body}".into(),
            start: signed_start[..signed_start.len().min(256)].to_vec(),
            size: body.len() as u64 + 11,
        }),
        provider: Some(facts()),
        attempts: Vec::new(),
        verdicts: Vec::new(),
        schedule: None,
        target: None,
        offers: ResendSupport::default(),
    }
}

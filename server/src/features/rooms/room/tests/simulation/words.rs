//! What a member reads: frames taken apart by their JSON alone, as an outside client would, so that what judges the room
//! does not share its types.

use serde_json::Value;

/// A `said`, wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SaidWord {
    pub(super) seq: i64,
    pub(super) from: String,
    pub(super) body: String,
    pub(super) at: String,
}

/// What `entered` and `room` say of the room itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeadWord {
    pub(super) state: String,
    pub(super) guard: i64,
    pub(super) slow_ms: i64,
    pub(super) on_duty: Vec<String>,
}

/// An `entered`.
#[derive(Clone, Debug)]
pub(super) struct EnteredWord {
    pub(super) epoch: String,
    pub(super) head: HeadWord,
    pub(super) last_seq: i64,
    pub(super) gap: Option<(i64, i64)>,
    pub(super) messages: Vec<Word>,
    /// The keys of one's own lines that wait.
    pub(super) waiting: Vec<String>,
}

/// One frame.
#[derive(Clone, Debug)]
pub(super) enum Word {
    Entered(Box<EnteredWord>),
    Waiting,
    Said(SaidWord),
    Hidden {
        seq: i64,
    },
    Shown {
        seq: i64,
        line: Option<SaidWord>,
    },
    Stamped {
        seq: i64,
    },
    Acked {
        key: String,
        seq: i64,
        at: String,
    },
    Refused {
        key: Option<String>,
        code: String,
    },
    Done,
    /// Of those on duty, whose lines are never held.
    Ask {
        key: String,
    },
    Held {
        key: String,
    },
    /// To those on duty.
    Hold {
        hold: String,
    },
    HoldDone {
        hold: String,
        how: String,
    },
    Room(HeadWord),
    Left {
        why: String,
    },
    /// Nothing that a room has to say.
    Unknown(String),
}

impl Word {
    /// Reads a frame as it is on the wire.
    pub(super) fn read(text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(value) => Self::of(&value),
            Err(_) => Word::Unknown(text.to_owned()),
        }
    }

    fn of(value: &Value) -> Self {
        match value["type"].as_str().unwrap_or("") {
            "entered" => Word::Entered(Box::new(EnteredWord {
                epoch: string(value, "epoch"),
                head: head(value),
                last_seq: number(value, "last_seq"),
                gap: value
                    .get("gap")
                    .map(|gap| (number(gap, "from"), number(gap, "to"))),
                waiting: list(value, "waiting_lines")
                    .iter()
                    .map(|line| string(line, "key"))
                    .collect(),
                messages: list(value, "messages").iter().map(Word::of).collect(),
            })),
            "waiting" => Word::Waiting,
            "said" => Word::Said(said(value)),
            "hidden" => Word::Hidden {
                seq: number(value, "seq"),
            },
            "shown" => Word::Shown {
                seq: number(value, "seq"),
                line: (value["line"]["type"] == "said").then(|| said(&value["line"])),
            },
            "stamped" => Word::Stamped {
                seq: number(value, "seq"),
            },
            "acked" => Word::Acked {
                key: string(value, "key"),
                seq: number(value, "seq"),
                at: string(value, "at"),
            },
            "refused" => Word::Refused {
                key: value["key"].as_str().map(str::to_owned),
                code: string(value, "code"),
            },
            "done" => Word::Done,
            "ask" => Word::Ask {
                key: string(value, "key"),
            },
            "held" => Word::Held {
                key: string(value, "key"),
            },
            "hold" => Word::Hold {
                hold: string(value, "hold"),
            },
            "hold_done" => Word::HoldDone {
                hold: string(value, "hold"),
                how: string(value, "how"),
            },
            "room" => Word::Room(head(value)),
            "left" => Word::Left {
                why: string(value, "why"),
            },
            _ => Word::Unknown(value.to_string()),
        }
    }

    /// In a few characters, for a schedule.
    pub(super) fn brief(&self) -> String {
        match self {
            Word::Entered(entered) => {
                let told: Vec<String> = entered.messages.iter().map(Word::brief).collect();
                format!(
                    "entered last_seq={} gap={:?} [{}] {}",
                    entered.last_seq,
                    entered.gap,
                    told.join(" "),
                    entered.head.state
                )
            }
            Word::Waiting => "waiting".into(),
            Word::Said(line) => format!("said{}({})", line.seq, line.body),
            Word::Hidden { seq } => format!("hidden{seq}"),
            Word::Shown { seq, .. } => format!("shown{seq}"),
            Word::Stamped { seq } => format!("stamped{seq}"),
            Word::Acked { key, seq, .. } => format!("acked {key}={seq}"),
            Word::Refused { key, code } => format!("refused {key:?} {code}"),
            Word::Done => "done".into(),
            Word::Ask { key } => format!("ask {key}"),
            Word::Held { key } => format!("held {key}"),
            Word::Hold { hold } => format!("hold {hold}"),
            Word::HoldDone { hold, how } => format!("hold_done {hold} {how}"),
            Word::Room(head) => format!("room {} duty={}", head.state, head.on_duty.len()),
            Word::Left { why } => format!("left {why}"),
            Word::Unknown(text) => format!("? {text}"),
        }
    }
}

fn string(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or("").to_owned()
}

fn number(value: &Value, name: &str) -> i64 {
    value[name].as_i64().unwrap_or(i64::MIN)
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn said(value: &Value) -> SaidWord {
    SaidWord {
        seq: number(value, "seq"),
        from: string(&value["from"], "id"),
        body: string(value, "body"),
        at: string(value, "at"),
    }
}

fn head(value: &Value) -> HeadWord {
    let mut on_duty: Vec<String> = list(value, "on_duty")
        .iter()
        .map(|one| string(one, "name"))
        .collect();
    on_duty.sort();
    HeadWord {
        state: string(value, "state"),
        guard: number(value, "guard"),
        slow_ms: number(value, "slow_ms"),
        on_duty,
    }
}

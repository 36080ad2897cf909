//! The one assessment of what people write: an engine that is replaced as a whole when its files change, what each writer
//! said last, and the counts of what each rule did. It decides nothing: the room's policy does.

use std::collections::{HashMap, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use moderation::{Action, Assessment, Category, Context, Engine, Place, Problem, Side, Source};
use tokio::time::Instant;

use crate::features::care;
use crate::features::rooms::{Assessed, Body};
use crate::platform::clock::Millis;
use crate::platform::ids::RoomId;
use crate::platform::limits::RateKey;
use crate::platform::settings::{Decide, Settings};
use crate::platform::telemetry::names;
use crate::protocol::{Audience, CardKind, SpanOut};

/// Lines of one writer in one room that are read together with the next.
const RECENT_LINES: usize = 5;
/// How long a line is remembered for that, in milliseconds.
const RECENT_MS: i64 = 10 * 60 * 1_000;
/// Writers whose lines are remembered; beyond that all are let go of. At 500 characters a line that is some 30 megabytes.
const RECENT_WRITERS_MAX: usize = 5_000;

/// Who writes where.
type Writer = (RoomId, RateKey);

/// What a writer said last, and when.
#[derive(Default)]
struct Recent {
    at: Millis,
    lines: VecDeque<Arc<str>>,
}

/// The files of a lexicon as they were when it was read: name, length, time of change.
type Stamp = Vec<(PathBuf, u64, i64, i64)>;

/// The assessment, for all who write.
pub struct Assessor {
    engine: RwLock<Arc<Engine>>,
    folder: Option<PathBuf>,
    stamp: Mutex<Stamp>,
    decide: Decide,
    /// Numbers of help lines, as a card shows them: whoever writes one gives no contact of theirs.
    public: Vec<&'static str>,
    /// Memory alone. Plain data, never held over a wait.
    recent: Mutex<HashMap<Writer, Recent>>,
}

/// A lexicon that cannot be used, with what is wrong in it.
#[derive(Debug, thiserror::Error)]
#[error("the lexicon in {folder} cannot be used: {what}")]
pub struct BadLexicon {
    folder: String,
    what: String,
}

impl Assessor {
    /// The assessment by the lexicon of the settings, or the one that is compiled in.
    ///
    /// # Errors
    /// All that is wrong with the lexicon of the settings.
    pub fn new(settings: &Settings) -> Result<Self, BadLexicon> {
        let folder = settings.lexicon_dir.clone();
        let stamp = folder.as_deref().map(stamp).unwrap_or_default();
        let engine = match &folder {
            Some(folder) => read_folder(folder)?,
            None => Engine::built_in(),
        };
        Ok(Self {
            engine: RwLock::new(Arc::new(engine)),
            folder,
            stamp: Mutex::new(stamp),
            decide: settings.moderation.decide,
            public: care::built_in().numbers().collect(),
            recent: Mutex::default(),
        })
    }

    fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engine.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the lexicon anew where its files have changed, or at any rate. A broken one changes nothing.
    pub fn reload(&self, at_any_rate: bool) {
        let Some(folder) = &self.folder else { return };
        let now = stamp(folder);
        if std::mem::replace(&mut *lock(&self.stamp), now.clone()) == now && !at_any_rate {
            return;
        }
        match read_folder(folder) {
            Ok(engine) => {
                let n_rules = engine.rules().len();
                *self.engine.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(engine);
                tracing::info!(n_rules, "the lexicon was read anew");
            }
            Err(error) => {
                metrics::counter!(names::FAILURES, "part" => "lexicon").increment(1);
                tracing::error!(%error, "the lexicon stays as it was");
            }
        }
    }

    /// Lets go of what writers said long ago.
    pub fn upkeep(&self, now: Millis) {
        lock(&self.recent).retain(|_, recent| now.since_ms(recent.at) < RECENT_MS);
    }

    /// Reads a line and its content note for a room, together with what its writer said there last.
    pub fn line(
        &self,
        body: &Body,
        note: Option<&Body>,
        audience: Audience,
        room: &RoomId,
        whose: RateKey,
        now: Millis,
    ) -> Assessed {
        if self.decide == Decide::Off {
            return Assessed::default();
        }
        let began = Instant::now();
        let before = self.before((room.clone(), whose), body.as_str(), now);
        let recent: Vec<&str> = before.iter().map(AsRef::as_ref).collect();
        let context = self.context(side(audience), Place::Line).after(&recent);
        let engine = self.engine();
        let assessment = assess(&engine, body.as_str(), &context);
        let mut found = assessed(&engine, body.as_str(), &assessment, &context);
        if let Some(note) = note {
            let context = self.context(side(audience), Place::Line);
            let of_note = assess(&engine, note.as_str(), &context);
            if of_note.category > found.category {
                // The note is what is wrong: no place in the body says so, and masking the body would not mend it.
                found = Assessed {
                    category: of_note.category,
                    action: of_note.action,
                    card: of_note.card().map(card).or(found.card),
                    spans: Vec::new(),
                    masked: None,
                };
            }
        }
        metrics::histogram!(names::ASSESS_SECONDS).record(began.elapsed().as_secs_f64());
        match self.decide {
            Decide::Rules => found,
            Decide::Pass | Decide::Off => Assessed::default(),
        }
    }

    /// Whether a name can be worn: one that is a number to call or an insult stands beside every line of its wearer.
    pub fn takes_name(&self, name: &str) -> bool {
        self.decide != Decide::Rules
            || assess(
                &self.engine(),
                name,
                &self.context(Side::Tojisha, Place::Name),
            )
            .category
                == Category::Ok
    }

    fn context(&self, side: Side, place: Place) -> Context<'_> {
        Context {
            public: &self.public,
            ..Context::new(side).at(place)
        }
    }

    /// What this writer said here last; the present line is remembered for the next, whatever becomes of it.
    fn before(&self, writer: Writer, line: &str, now: Millis) -> Vec<Arc<str>> {
        let mut all = lock(&self.recent);
        if all.len() >= RECENT_WRITERS_MAX && !all.contains_key(&writer) {
            all.clear();
        }
        let recent = all.entry(writer).or_default();
        if now.since_ms(recent.at) >= RECENT_MS {
            recent.lines.clear();
        }
        recent.at = now;
        // A line that is sent again is no second one.
        if recent.lines.back().is_some_and(|last| **last == *line) {
            recent.lines.pop_back();
        }
        let before = recent.lines.iter().cloned().collect();
        if recent.lines.len() == RECENT_LINES {
            recent.lines.pop_front();
        }
        recent.lines.push_back(Arc::from(line));
        before
    }
}

/// Counts what each rule did, and never of what.
fn assess(engine: &Engine, text: &str, context: &Context<'_>) -> Assessment {
    let count = |rule: &str, did: &'static str| {
        metrics::counter!(names::RULES, "rule" => rule.to_owned(), "did" => did).increment(1);
    };
    let assessment = engine.assess_counted(text, context, |rule, fired| {
        if !fired && let Some(rule) = engine.rules().get(rule) {
            count(&rule.id, "cancelled");
        }
    });
    for finding in &assessment.findings {
        count(&finding.rule, "found");
    }
    for finding in &assessment.trial {
        count(&finding.rule, "trial");
    }
    assessment
}

fn assessed(
    engine: &Engine,
    text: &str,
    assessment: &Assessment,
    context: &Context<'_>,
) -> Assessed {
    Assessed {
        category: assessment.category,
        action: assessment.action,
        spans: assessment
            .spans(assessment.category)
            .into_iter()
            .map(|span| SpanOut {
                from: span.from,
                to: span.to,
            })
            .collect(),
        card: assessment.card().map(card),
        masked: (assessment.action == Action::Ask)
            .then(|| engine.masked(text, assessment, context))
            .flatten(),
    }
}

const fn side(audience: Audience) -> Side {
    match audience {
        Audience::Tojisha => Side::Tojisha,
        Audience::Family => Side::Family,
    }
}

const fn card(card: moderation::Card) -> CardKind {
    match card {
        moderation::Card::Life => CardKind::Life,
        moderation::Card::HurtAtHome => CardKind::HurtAtHome,
        moderation::Card::IMayHurt => CardKind::IMayHurt,
        moderation::Card::Child => CardKind::Child,
        moderation::Card::Care => CardKind::Care,
        moderation::Card::Money => CardKind::Money,
        moderation::Card::TakenAway => CardKind::TakenAway,
        moderation::Card::Sexual => CardKind::Sexual,
    }
}

/// The files of a folder that belong to a lexicon, in the order of their names; none where it cannot be read.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    files
}

fn stamp(folder: &Path) -> Stamp {
    files(folder)
        .into_iter()
        .map(|path| {
            let about = std::fs::metadata(&path).ok();
            let of = about.map_or((0, 0, 0), |about| {
                (about.size(), about.mtime(), about.mtime_nsec())
            });
            (path, of.0, of.1, of.2)
        })
        .collect()
}

fn read_folder(folder: &Path) -> Result<Engine, BadLexicon> {
    let bad = |what: String| BadLexicon {
        folder: folder.display().to_string(),
        what,
    };
    let mut texts = Vec::new();
    for path in files(folder) {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| bad(format!("{}: {}", path.display(), error.kind())))?;
        let name = path.file_name().unwrap_or_default();
        texts.push((name.to_string_lossy().into_owned(), text));
    }
    if texts.is_empty() {
        return Err(bad("there is no .toml file".to_owned()));
    }
    let sources: Vec<Source<'_>> = texts
        .iter()
        .map(|(name, text)| Source { name, text })
        .collect();
    let in_words = |problems: Vec<Problem>| {
        let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
        bad(words.join("; "))
    };
    let engine = Engine::new(&sources).map_err(in_words)?;
    engine.check().map_err(in_words)?;
    Ok(engine)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &Path) -> Settings {
        Settings {
            lexicon_dir: Some(folder.to_owned()),
            ..Settings::default()
        }
    }

    fn body(text: &str) -> Body {
        Body::parse(text, 500).expect("a body")
    }

    fn room() -> RoomId {
        RoomId::parse("r1").expect("an id")
    }

    fn whose(n: u8) -> RateKey {
        crate::platform::limits::Rates::new(&Settings::default().limits).key(&[n])
    }

    const RULES: &str = "[[rule]]\nid = \"try.word\"\ncategory = \"abuse\"\nmeaning = \"t\"\npatterns = [\"WORD\"]\n\
                         match = [\"WORDです\", \"このWORD\"]\nno_match = [\"そうです\", \"はい\"]\n";

    fn lexicon(word: &str) -> String {
        RULES.replace("WORD", word)
    }

    #[test]
    fn p7_a_changed_lexicon_is_used_without_a_restart_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("words.toml");
        std::fs::write(&file, lexicon("ぬるぽ")).expect("it is written");
        let assessor = Assessor::new(&settings(folder.path())).expect("a lexicon");
        let finds = |text: &str| {
            let now = Millis(0);
            let read = assessor.line(&body(text), None, Audience::Tojisha, &room(), whose(1), now);
            read.category == Category::Abuse
        };
        assert!(finds("ぬるぽです") && !finds("ほげらです"));
        std::fs::write(&file, lexicon("ほげら人間")).expect("it is written");
        assessor.reload(false);
        assert!(finds("ほげら人間です") && !finds("ぬるぽです"));
        std::fs::write(&file, "[[rule]]\nid = 7").expect("it is written");
        assessor.reload(false);
        assert!(finds("ほげら人間です"), "the old one stays");
        assert!(
            Assessor::new(&settings(folder.path())).is_err(),
            "no start with a broken one"
        );
    }

    #[test]
    fn what_a_writer_said_last_is_remembered_for_a_while_and_by_room() {
        let assessor = Assessor::new(&Settings::default()).expect("a lexicon");
        let before = |line: &str, whose, at| {
            assessor
                .before((room(), whose), line, Millis(at))
                .iter()
                .map(|line| line.to_string())
                .collect::<Vec<_>>()
        };
        let (one, other) = (whose(1), RateKey::clone(&whose(2)));
        for n in 0..7 {
            before(&format!("l{n}"), one, n);
        }
        assert_eq!(before("l7", one, 8), ["l2", "l3", "l4", "l5", "l6"]);
        assert_eq!(before("l7", one, 9), ["l3", "l4", "l5", "l6"], "a repeat");
        assert!(before("x", other, 9).is_empty());
        assert!(before("y", one, 9 + RECENT_MS).is_empty());
    }
}

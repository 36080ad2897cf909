//! From the files to the tables.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use daachorse::{CharwiseDoubleArrayAhoCorasickBuilder, MatchKind};

use super::pattern::{Set, Sets, What, ways};
use super::{
    Examples, GuardUse, Lexicon, Owner, Problem, Public, Rule, Scope, Source, Step, Thresholds,
    Way, Word, raw,
};
use crate::fold::folded;
use crate::types::{Card, Category};

/// How far a guard reaches where its writer says nothing.
const WITHIN: usize = 12;
/// How far `also` reaches where its writer says nothing.
const ALSO_WITHIN: usize = 40;
/// No guard reaches further: text far away hides nothing.
const WITHIN_MAX: usize = 40;
/// `also` may reach further: it only finds more.
const ALSO_WITHIN_MAX: usize = 120;
/// Examples that each rule needs, of either kind.
const EXAMPLES_MIN: usize = 2;

pub(super) fn compile(sources: &[Source<'_>]) -> Result<Lexicon, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut files = Vec::new();
    for source in sources {
        match toml::from_str::<raw::File>(source.text) {
            Ok(file) => files.push((source.name, file)),
            Err(error) => problems.push(Problem {
                file: source.name.to_owned(),
                item: None,
                what: error.to_string().trim_end().to_owned(),
            }),
        }
    }
    let sets = read_sets(&files, &mut problems);
    let mut tables = Tables::new(&sets);
    for name in {
        let mut names: Vec<&String> = sets.keys().collect();
        names.sort_unstable();
        names
    } {
        let mut set = sets[name].words.clone();
        set.retain(|word| !word.is_empty());
        set.sort_unstable();
        set.dedup();
        if !set.is_empty() {
            let term = tables.term(&What::Words(set));
            tables.named.push((term, name.clone()));
        }
    }
    let guards = read_guards(&files, &mut tables, &mut problems);
    let mut ids = HashSet::new();
    for (file, content) in &files {
        for rule in &content.rule {
            let mut say = |what: String| {
                problems.push(Problem {
                    file: (*file).to_owned(),
                    item: Some(rule.id.clone()),
                    what,
                });
            };
            if !ids.insert(rule.id.clone()) {
                say("同じ id の規則がもうあります".into());
            }
            if let Err(all) = read_rule(file, rule, &guards, &mut tables) {
                all.into_iter().for_each(say);
            }
        }
    }
    let public = read_public(&files);
    let thresholds = read_thresholds(&files, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    tables.finish(public, thresholds).map_err(|what| {
        vec![Problem {
            file: "lexicon".into(),
            item: None,
            what,
        }]
    })
}

fn read_sets(files: &[(&str, raw::File)], problems: &mut Vec<Problem>) -> Sets {
    let mut sets = Sets::new();
    let mut waiting: Vec<(&str, &raw::Words)> = Vec::new();
    let mut seen = HashSet::new();
    for (file, content) in files {
        for set in &content.words {
            if !seen.insert(set.name.clone()) {
                problems.push(Problem {
                    file: (*file).to_owned(),
                    item: Some(format!("<{}>", set.name)),
                    what: "同じ名前の語群がもうあります".into(),
                });
                continue;
            }
            waiting.push((file, set));
        }
    }
    // A set may name another one, whatever the order of files: go round until nothing more can be read.
    while !waiting.is_empty() {
        let n_before = waiting.len();
        let mut errors = Vec::new();
        waiting.retain(|(file, set)| {
            let mut read = Set::default();
            for entry in &set.words {
                if let Err(what) = read.add(entry, &sets) {
                    errors.push(Problem {
                        file: (*file).to_owned(),
                        item: Some(format!("<{}>", set.name)),
                        what: format!("「{entry}」: {what}"),
                    });
                    return true;
                }
            }
            read.finish(set.masked);
            sets.insert(set.name.clone(), read);
            false
        });
        if waiting.len() == n_before {
            problems.append(&mut errors);
            break;
        }
    }
    sets
}

type Guards = HashMap<String, Vec<GuardUse>>;

fn read_guards(
    files: &[(&str, raw::File)],
    tables: &mut Tables<'_>,
    problems: &mut Vec<Problem>,
) -> Guards {
    let mut guards = Guards::new();
    // Inside quotation marks: always there.
    guards.insert("引用".into(), vec![quoted("引用")]);
    for (file, content) in files {
        for guard in &content.guard {
            let mut uses = Vec::new();
            if guard.quoted {
                uses.push(quoted(&guard.name));
            }
            let within = guard.within.unwrap_or(WITHIN).min(WITHIN_MAX);
            for (scope, patterns) in [
                (Scope::Before, &guard.before),
                (Scope::After, &guard.after),
                (Scope::Near, &guard.near),
                (Scope::Over, &guard.over),
                (Scope::Sentence, &guard.sentence),
                (Scope::Line, &guard.line),
            ] {
                match tables.list(patterns) {
                    Ok(Some(list)) => uses.push(GuardUse {
                        name: guard.name.as_str().into(),
                        scope,
                        list,
                        within,
                    }),
                    Ok(None) => {}
                    Err(all) => problems.extend(all.into_iter().map(|what| Problem {
                        file: (*file).to_owned(),
                        item: Some(guard.name.clone()),
                        what,
                    })),
                }
            }
            if guards.insert(guard.name.clone(), uses).is_some() {
                problems.push(Problem {
                    file: (*file).to_owned(),
                    item: Some(guard.name.clone()),
                    what: "同じ名前の打ち消しがもうあります(「引用」は初めからあります)".into(),
                });
            }
        }
    }
    guards
}

fn quoted(name: &str) -> GuardUse {
    GuardUse {
        name: name.into(),
        scope: Scope::Quoted,
        list: 0,
        within: 0,
    }
}

fn read_rule(
    file: &str,
    rule: &raw::Rule,
    guards: &Guards,
    tables: &mut Tables<'_>,
) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    let category = Category::parse(&rule.category).filter(|category| *category != Category::Ok);
    if category.is_none() {
        wrong.push(format!("category「{}」はありません", rule.category));
    }
    let category = category.unwrap_or(Category::Ok);
    if rule.patterns.is_empty() {
        wrong.push("patterns がありません".into());
    }
    for (what, examples) in [("match", &rule.must_match), ("no_match", &rule.must_not)] {
        if examples.len() < EXAMPLES_MIN {
            wrong.push(format!("{what} の例が {EXAMPLES_MIN} つ以上いります"));
        }
    }
    let mut uses = Vec::new();
    for name in &rule.unless {
        match guards.get(name) {
            Some(guard) => uses.extend(guard.iter().cloned()),
            None => wrong.push(format!("打ち消し「{name}」がありません")),
        }
    }
    let within = rule.within.unwrap_or(WITHIN).min(WITHIN_MAX);
    for (name, scope, patterns) in [
        ("unless_before", Scope::Before, &rule.unless_before),
        ("unless_after", Scope::After, &rule.unless_after),
        ("unless_near", Scope::Near, &rule.unless_near),
        ("unless_over", Scope::Over, &rule.unless_over),
        ("unless_sentence", Scope::Sentence, &rule.unless_sentence),
        ("unless_line", Scope::Line, &rule.unless_line),
    ] {
        match tables.list(patterns) {
            Ok(Some(list)) => uses.push(GuardUse {
                name: name.into(),
                scope,
                list,
                within,
            }),
            Ok(None) => {}
            Err(all) => wrong.extend(all),
        }
    }
    // Words far away must not hide that a life is in danger.
    if (category.is_risk() || category == Category::Threat)
        && uses.iter().any(|guard| guard.scope == Scope::Line)
    {
        wrong.push("risk と threat の規則では line(行のどこでも)の打ち消しは使えません".into());
    }
    let also = match tables.list(&rule.also) {
        Ok(list) => list.into_iter().collect(),
        Err(all) => {
            wrong.extend(all);
            Vec::new()
        }
    };
    if rule.within.is_some_and(|within| within > ALSO_WITHIN_MAX) {
        wrong.push(format!("within は {ALSO_WITHIN_MAX} までです"));
    }
    let owner = Owner::Rule(u32::try_from(tables.rules.len()).unwrap_or(u32::MAX));
    for pattern in &rule.patterns {
        if let Err(what) = tables.pattern(pattern, owner) {
            wrong.push(what);
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let card = rule
        .card
        .or_else(|| category.is_risk().then_some(Card::Life));
    tables.rules.push(Rule {
        id: Arc::from(rule.id.as_str()),
        category,
        meaning: rule.meaning.clone(),
        trial: rule.trial,
        hint: rule.hint,
        near_in_sentence: category == Category::RiskUrgent && !rule.near_reaches_over,
        side: rule.side,
        card,
        file: file.to_owned(),
        examples: Examples {
            must_match: rule.must_match.clone(),
            must_not: rule.must_not.clone(),
        },
        guards: uses,
        also,
        within: rule.within.unwrap_or(ALSO_WITHIN),
    });
    Ok(())
}

fn read_public(files: &[(&str, raw::File)]) -> Public {
    let mut public = Public::default();
    for (_, content) in files {
        if let Some(more) = &content.public {
            public.numbers.extend(more.numbers.iter().map(|number| {
                number
                    .chars()
                    .filter(char::is_ascii_digit)
                    .collect::<String>()
            }));
            public
                .addresses
                .extend(more.addresses.iter().map(|text| folded(text)));
            public
                .domains
                .extend(more.domains.iter().map(|text| folded(text)));
        }
    }
    public.numbers.sort_unstable();
    public
}

fn read_thresholds(files: &[(&str, raw::File)], problems: &mut Vec<Problem>) -> Thresholds {
    let mut thresholds = Thresholds { alone: [2.0; 9] };
    for (file, content) in files {
        for threshold in content.scorer.iter().flat_map(|scorer| &scorer.category) {
            match Category::parse(&threshold.category) {
                Some(category) => thresholds.alone[category as usize] = threshold.alone,
                None => problems.push(Problem {
                    file: (*file).to_owned(),
                    item: Some("scorer".into()),
                    what: format!("category「{}」はありません", threshold.category),
                }),
            }
        }
    }
    thresholds
}

struct Tables<'a> {
    sets: &'a Sets,
    terms: HashMap<What, u32>,
    /// For each word, its terms; ordered, so that the same files give the same tables.
    by_word: BTreeMap<String, Vec<u32>>,
    /// For each term, the length of its shortest word.
    shortest: Vec<usize>,
    named: Vec<(u32, String)>,
    ways: Vec<Way>,
    lists: Vec<Vec<u32>>,
    known_lists: HashMap<Vec<String>, u32>,
    rules: Vec<Rule>,
}

impl<'a> Tables<'a> {
    fn new(sets: &'a Sets) -> Self {
        Self {
            sets,
            terms: [
                (What::Number, super::TERM_NUMBER),
                (What::Id, super::TERM_ID),
            ]
            .into(),
            by_word: BTreeMap::new(),
            shortest: vec![1, 4],
            named: Vec::new(),
            ways: Vec::new(),
            lists: Vec::new(),
            known_lists: HashMap::new(),
            rules: Vec::new(),
        }
    }

    fn term(&mut self, what: &What) -> u32 {
        if let Some(term) = self.terms.get(what) {
            return *term;
        }
        let term = u32::try_from(self.shortest.len()).unwrap_or(u32::MAX);
        let mut shortest = usize::MAX;
        if let What::Words(words) = what {
            for word in words {
                shortest = shortest.min(word.chars().count());
                self.by_word.entry(word.clone()).or_default().push(term);
            }
        }
        self.shortest.push(shortest);
        self.terms.insert(what.clone(), term);
        term
    }

    fn pattern(&mut self, pattern: &str, owner: Owner) -> Result<Vec<u32>, String> {
        let ways = ways(pattern, self.sets).map_err(|what| format!("「{pattern}」: {what}"))?;
        let mut ids = Vec::new();
        for way in ways {
            let steps = way
                .iter()
                .map(|piece| Step {
                    term: self.term(&piece.what),
                    gap_max: u32::try_from(piece.joint.gap_max).unwrap_or(u32::MAX),
                    far: piece.joint.far,
                    start: piece.joint.start,
                    edge: piece.joint.edge,
                    end: piece.end,
                    edge_after: piece.edge_after,
                })
                .collect();
            ids.push(u32::try_from(self.ways.len()).unwrap_or(u32::MAX));
            self.ways.push(Way { steps, owner });
        }
        Ok(ids)
    }

    fn list(&mut self, patterns: &[String]) -> Result<Option<u32>, Vec<String>> {
        if patterns.is_empty() {
            return Ok(None);
        }
        if let Some(list) = self.known_lists.get(patterns) {
            return Ok(Some(*list));
        }
        let mut wrong = Vec::new();
        let mut all = Vec::new();
        for pattern in patterns {
            match self.pattern(pattern, Owner::List) {
                Ok(ways) => all.extend(ways),
                Err(what) => wrong.push(what),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let list = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        self.lists.push(all);
        self.known_lists.insert(patterns.to_vec(), list);
        Ok(Some(list))
    }

    /// The step by which a way is looked up: the one whose words are longest, so that it is tried least.
    fn trigger(&self, way: &Way) -> u32 {
        way.steps
            .iter()
            .map(|step| step.term)
            .max_by_key(|term| self.shortest[*term as usize])
            .unwrap_or(super::TERM_NUMBER)
    }

    fn finish(mut self, public: Public, thresholds: Thresholds) -> Result<Lexicon, String> {
        // An automaton of nothing cannot be built.
        self.by_word.entry("\u{fffd}".into()).or_default();
        let mut words = Vec::with_capacity(self.by_word.len());
        let mut word_terms = Vec::new();
        let mut literals = Vec::with_capacity(self.by_word.len());
        for (word, terms) in &self.by_word {
            let from = u32::try_from(word_terms.len()).unwrap_or(u32::MAX);
            // In order, so that membership is a short search.
            let mut terms = terms.clone();
            terms.sort_unstable();
            word_terms.extend_from_slice(&terms);
            words.push(Word {
                n_chars: u8::try_from(word.chars().count()).unwrap_or(u8::MAX),
                latin_first: word.starts_with(|c: char| c.is_ascii_alphabetic()),
                latin_last: word.ends_with(|c: char| c.is_ascii_alphabetic()),
                terms: (from, u32::try_from(word_terms.len()).unwrap_or(u32::MAX)),
            });
            literals.push(word.clone());
        }
        let automaton = CharwiseDoubleArrayAhoCorasickBuilder::new()
            .match_kind(MatchKind::Standard)
            .build_with_values(
                literals
                    .iter()
                    .enumerate()
                    .map(|(idx, word)| (word.as_str(), u32::try_from(idx).unwrap_or(u32::MAX))),
            )
            .map_err(|error| format!("表が作れません: {error}"))?;
        let n_terms = self.shortest.len();
        let mut looked: Vec<Vec<u32>> = vec![Vec::new(); n_terms];
        for (idx, way) in self.ways.iter().enumerate() {
            if matches!(way.owner, Owner::Rule(_)) {
                looked[self.trigger(way) as usize].push(u32::try_from(idx).unwrap_or(u32::MAX));
            }
        }
        let mut by_term = Vec::new();
        let mut term_ways = Vec::with_capacity(n_terms);
        for ways in looked {
            let from = u32::try_from(by_term.len()).unwrap_or(u32::MAX);
            by_term.extend(ways);
            term_ways.push((from, u32::try_from(by_term.len()).unwrap_or(u32::MAX)));
        }
        let mut term_wanted: Vec<bool> = term_ways.iter().map(|(from, to)| from < to).collect();
        for (term, _) in &self.named {
            term_wanted[*term as usize] = true;
        }
        Ok(Lexicon {
            automaton,
            words,
            word_terms,
            n_terms,
            term_wanted,
            named: self.named,
            ways: self.ways,
            term_ways,
            by_term,
            lists: self.lists,
            rules: self.rules,
            public,
            thresholds,
        })
    }
}

//! The small language of patterns: words, `(a|b)`, `<語群>`, `~`, `^`, `$`, `_`, `[数]`, `[英]`, `?`.

use std::collections::HashMap;

use crate::fold::folded;

/// How far a plain `~` reaches, in folded characters.
const GAP: usize = 8;
/// How far `~~` reaches; it may go beyond the end of a sentence.
const FAR_GAP: usize = 30;
/// Words that stand side by side are joined to longer words at loading, up to so many; beyond it by place.
const PRODUCT_MAX: usize = 200;
/// Ways through the options of one pattern.
const BRANCHES_MAX: usize = 64;

/// Sets of words, by their names.
pub(super) type Sets = HashMap<String, Set>;

/// A set of words.
#[derive(Clone, Debug, Default)]
pub(super) struct Set {
    /// Its words, folded.
    pub words: Vec<String>,
    /// What in it is more than words: with numbers, gaps or edges.
    more: Vec<Vec<Token>>,
}

impl Set {
    /// Adds an entry: words, groups, other sets.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add(&mut self, entry: &str, sets: &Sets) -> Result<(), String> {
        for tokens in read(entry, sets)? {
            match product(&tokens) {
                Some(words) => self
                    .words
                    .extend(words.into_iter().filter(|word| !word.is_empty())),
                None => {
                    // Read once as a pattern, so that what is wrong is said here.
                    flatten(&tokens)?
                        .iter()
                        .try_for_each(|flat| assemble(flat).map(drop))?;
                    self.more.push(tokens);
                }
            }
        }
        Ok(())
    }

    /// Adds each word with each of its letters covered, and puts all in order.
    pub fn finish(&mut self, masked: bool) {
        if masked {
            let more: Vec<String> = self.words.iter().flat_map(|word| covered(word)).collect();
            self.words.extend(more);
        }
        self.words.sort_unstable();
        self.words.dedup();
    }

    fn token(&self) -> Token {
        if self.more.is_empty() {
            return Token::Words(self.words.clone());
        }
        let mut choice = self.more.clone();
        if !self.words.is_empty() {
            choice.push(vec![Token::Words(self.words.clone())]);
        }
        Token::Choice(choice)
    }
}

/// What must be found in one place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// One of these, folded.
    Words(Vec<String>),
    /// A run of digits or numerals.
    Number,
    /// A run of letters and digits, as names of accounts are.
    Id,
}

/// How the place must lie to what stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Joint {
    /// At most so many characters between; 0: side by side. Of the first piece: without meaning.
    pub gap_max: usize,
    /// Sentences may end between.
    pub far: bool,
    /// Here begins a sentence.
    pub start: bool,
    /// Here the kind of letters changes, or a word begins.
    pub edge: bool,
}

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Piece {
    pub joint: Joint,
    pub what: What,
    /// After it a sentence ends.
    pub end: bool,
    /// After it the kind of letters changes.
    pub edge_after: bool,
}

/// One way through a pattern.
pub(super) type Way = Vec<Piece>;

#[derive(Clone, Debug)]
enum Token {
    /// Any of these; an empty one means that it may be left out.
    Words(Vec<String>),
    Number,
    Id,
    Gap(usize, bool),
    Start,
    End,
    Edge,
    /// A group with more than words in it.
    Choice(Vec<Vec<Token>>),
}

/// Reads a pattern into the ways through it.
///
/// # Errors
/// What is wrong with it, in words for its writer.
pub(super) fn ways(pattern: &str, sets: &Sets) -> Result<Vec<Way>, String> {
    let mut ways = Vec::new();
    for tokens in read(pattern, sets)? {
        for flat in flatten(&tokens)? {
            ways.extend(assemble(&flat)?);
        }
    }
    if ways.is_empty() {
        return Err("パターンが空です".into());
    }
    Ok(ways)
}

fn read(pattern: &str, sets: &Sets) -> Result<Vec<Vec<Token>>, String> {
    let mut chars: Vec<char> = pattern.chars().collect();
    chars.push('\0');
    let mut reader = Reader {
        chars: &chars,
        at: 0,
        sets,
    };
    let choice = reader.choice()?;
    if reader.peek() != '\0' {
        return Err(format!(
            "「{}」が余っています(かっこの数を見てください)",
            reader.peek()
        ));
    }
    Ok(choice)
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    sets: &'a Sets,
}

impl Reader<'_> {
    fn peek(&self) -> char {
        self.chars.get(self.at).copied().unwrap_or('\0')
    }

    fn choice(&mut self) -> Result<Vec<Vec<Token>>, String> {
        let mut choice = vec![self.sequence()?];
        while self.peek() == '|' {
            self.at += 1;
            choice.push(self.sequence()?);
        }
        Ok(choice)
    }

    fn number(&mut self) -> Option<usize> {
        let from = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        let digits: String = self.chars[from..self.at].iter().collect();
        digits.parse().ok()
    }

    fn sequence(&mut self) -> Result<Vec<Token>, String> {
        let mut tokens = Vec::new();
        loop {
            match self.peek() {
                '\0' | '|' | ')' => return Ok(tokens),
                ' ' => self.at += 1,
                '~' => {
                    self.at += 1;
                    let far = self.peek() == '~';
                    if far {
                        self.at += 1;
                    }
                    let n = self.number().unwrap_or(if far { FAR_GAP } else { GAP });
                    tokens.push(Token::Gap(n, far));
                }
                '^' => {
                    self.at += 1;
                    tokens.push(Token::Start);
                }
                '$' => {
                    self.at += 1;
                    tokens.push(Token::End);
                }
                '_' => {
                    self.at += 1;
                    tokens.push(Token::Edge);
                }
                '<' => {
                    self.at += 1;
                    let name = self.until('>')?;
                    let set = self
                        .sets
                        .get(name.trim())
                        .ok_or_else(|| format!("語群 <{name}> がありません"))?;
                    let token = set.token();
                    tokens.push(self.maybe(token));
                }
                '[' => {
                    self.at += 1;
                    let token = match self.until(']')?.as_str() {
                        "数" => Token::Number,
                        "英" => Token::Id,
                        other => {
                            return Err(format!(
                                "[{other}] はありません。使えるのは [数] と [英] です"
                            ));
                        }
                    };
                    tokens.push(self.maybe(token));
                }
                '(' => {
                    self.at += 1;
                    let choice = self.choice()?;
                    if self.peek() != ')' {
                        return Err("かっこ ( が閉じていません".into());
                    }
                    self.at += 1;
                    let token = simplify(choice);
                    tokens.push(self.maybe(token));
                }
                c @ ('>' | ']' | '?') => {
                    return Err(format!(
                        "「{c}」の場所が正しくありません(文字そのものは全角で書きます)"
                    ));
                }
                _ => {
                    let from = self.at;
                    while !"\0|)( ~^$_<>[]?".contains(self.peek()) {
                        self.at += 1;
                    }
                    let text: String = self.chars[from..self.at].iter().collect();
                    let word = folded(&text);
                    if word.is_empty() {
                        return Err(format!("「{text}」には読める文字がありません"));
                    }
                    if self.peek() == '?' {
                        return Err(format!("「{text}?」: 省ける部分は ({text})? と書きます"));
                    }
                    tokens.push(Token::Words(vec![word]));
                }
            }
        }
    }

    fn until(&mut self, end: char) -> Result<String, String> {
        let from = self.at;
        while self.peek() != end {
            if self.peek() == '\0' {
                return Err(format!("「{end}」がありません"));
            }
            self.at += 1;
        }
        let inside = self.chars[from..self.at].iter().collect();
        self.at += 1;
        Ok(inside)
    }

    fn maybe(&mut self, token: Token) -> Token {
        if self.peek() != '?' {
            return token;
        }
        self.at += 1;
        match token {
            Token::Words(mut words) => {
                words.push(String::new());
                Token::Words(words)
            }
            Token::Choice(mut choice) => {
                choice.push(Vec::new());
                Token::Choice(choice)
            }
            other => Token::Choice(vec![vec![other], Vec::new()]),
        }
    }
}

/// The parts of a group that are words alone become one; a group of nothing else is words.
fn simplify(choice: Vec<Vec<Token>>) -> Token {
    let mut words = Vec::new();
    let mut more = Vec::new();
    for tokens in choice {
        match product(&tokens) {
            Some(product) => words.extend(product),
            None => more.push(tokens),
        }
    }
    if more.is_empty() {
        return Token::Words(words);
    }
    if !words.is_empty() {
        more.push(vec![Token::Words(words)]);
    }
    Token::Choice(more)
}

/// What these tokens are as words, where they are nothing else.
fn product(tokens: &[Token]) -> Option<Vec<String>> {
    let mut all = vec![String::new()];
    for token in tokens {
        let Token::Words(more) = token else {
            return None;
        };
        all = times(&all, more)?;
    }
    Some(all)
}

fn times(left: &[String], right: &[String]) -> Option<Vec<String>> {
    if left.len() * right.len() > PRODUCT_MAX {
        return None;
    }
    Some(
        left.iter()
            .flat_map(|left| right.iter().map(move |right| format!("{left}{right}")))
            .collect(),
    )
}

fn flatten(tokens: &[Token]) -> Result<Vec<Vec<Token>>, String> {
    let mut all: Vec<Vec<Token>> = vec![Vec::new()];
    for token in tokens {
        match token {
            Token::Choice(choice) => {
                let mut longer = Vec::new();
                for part in choice {
                    for flat in flatten(part)? {
                        for before in &all {
                            longer.push([before.as_slice(), flat.as_slice()].concat());
                        }
                    }
                }
                all = longer;
            }
            other => {
                for before in &mut all {
                    before.push(other.clone());
                }
            }
        }
        if all.len() > BRANCHES_MAX {
            return Err("枝分かれが多すぎます。パターンを分けてください".into());
        }
    }
    Ok(all)
}

/// Joins words that stand side by side, and hangs gaps and edges to pieces.
fn assemble(tokens: &[Token]) -> Result<Vec<Way>, String> {
    let mut ways: Vec<(Way, Joint)> = vec![(Vec::new(), Joint::default())];
    let mut idx = 0;
    while idx < tokens.len() {
        match &tokens[idx] {
            Token::Gap(n, far) => {
                for (way, joint) in &mut ways {
                    if way.is_empty() {
                        return Err("パターンは ~ で始められません".into());
                    }
                    joint.gap_max = joint.gap_max.max(*n);
                    joint.far |= far;
                }
                idx += 1;
            }
            Token::Start => {
                ways.iter_mut().for_each(|(_, joint)| joint.start = true);
                idx += 1;
            }
            Token::Edge => {
                let last = idx + 1 == tokens.len() || matches!(tokens[idx + 1], Token::Gap(..));
                for (way, joint) in &mut ways {
                    match way.last_mut() {
                        Some(piece) if last => piece.edge_after = true,
                        _ => joint.edge = true,
                    }
                }
                idx += 1;
            }
            Token::End => {
                for (way, _) in &mut ways {
                    way.last_mut().ok_or("$ の前に言葉がありません")?.end = true;
                }
                idx += 1;
            }
            Token::Number | Token::Id => {
                let what = if matches!(tokens[idx], Token::Number) {
                    What::Number
                } else {
                    What::Id
                };
                for (way, joint) in &mut ways {
                    way.push(Piece {
                        joint: std::mem::take(joint),
                        what: what.clone(),
                        end: false,
                        edge_after: false,
                    });
                }
                idx += 1;
            }
            Token::Words(first) => {
                let mut product = first.clone();
                idx += 1;
                while let Some(Token::Words(more)) = tokens.get(idx) {
                    match times(&product, more) {
                        Some(longer) => product = longer,
                        None => break,
                    }
                    idx += 1;
                }
                let may_miss = product.iter().any(String::is_empty);
                product.retain(|word| !word.is_empty() && !too_covered(word));
                product.sort_unstable();
                product.dedup();
                let mut more = Vec::new();
                if may_miss {
                    more.clone_from(&ways);
                }
                if product.is_empty() {
                    return Err("言葉がありません".into());
                }
                for (way, joint) in &mut ways {
                    way.push(Piece {
                        joint: std::mem::take(joint),
                        what: What::Words(product.clone()),
                        end: false,
                        edge_after: false,
                    });
                }
                ways.append(&mut more);
                if ways.len() > BRANCHES_MAX {
                    return Err("枝分かれが多すぎます。パターンを分けてください".into());
                }
            }
            Token::Choice(_) => return Err("この書き方は使えません".into()),
        }
    }
    Ok(ways
        .into_iter()
        .map(|(way, _)| way)
        .filter(|way| !way.is_empty())
        .collect())
}

/// A word with a covered letter says something only when enough of it is left.
fn too_covered(word: &str) -> bool {
    word.contains('◯') && word.chars().count() < 3
}

/// A word with each of its letters covered in turn.
fn covered(word: &str) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    if chars.len() < 2 || chars.len() > 8 || chars.contains(&'◯') {
        return Vec::new();
    }
    (0..chars.len())
        .map(|hole| {
            chars
                .iter()
                .enumerate()
                .map(|(idx, c)| if idx == hole { '◯' } else { *c })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets() -> Sets {
        let mut set = Set::default();
        set.add("(死|し)に", &Sets::new()).expect("a set");
        let mut number = Set::default();
        number.add("[数]人", &Sets::new()).expect("a set");
        [("死ぬ".to_owned(), set), ("人数".to_owned(), number)].into()
    }

    #[test]
    fn words_side_by_side_become_longer_words() {
        let ways = ways("<死ぬ>(たい|てえ)", &sets()).expect("a pattern");
        assert_eq!(ways.len(), 1);
        let What::Words(words) = &ways[0][0].what else {
            panic!("words")
        };
        assert_eq!(words.len(), 4);
        assert!(words.contains(&"しにてえ".to_owned()));
    }

    #[test]
    fn gaps_choices_and_options_are_ways() {
        assert_eq!(
            ways("今夜 ~ <死ぬ>", &sets()).expect("a pattern")[0].len(),
            2
        );
        assert_eq!(ways("<人数>で", &sets()).expect("a pattern")[0].len(), 2);
        assert_eq!(
            ways("(今夜 ~)? <死ぬ>", &sets()).expect("a pattern").len(),
            2
        );
        assert_eq!(ways("^死ね$", &sets()).expect("a pattern")[0].len(), 1);
        for bad in ["", "~死", "<無い>", "(死", "死)", "[何]", "死?"] {
            assert!(ways(bad, &sets()).is_err(), "{bad}");
        }
    }
}

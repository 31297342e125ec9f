//! Reads a query: the part of SOQL that selects fields of one object's records and of those that
//! they refer to.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select.htm>.
//! Without subqueries, groups, functions (but for `COUNT`) and aliases.

use super::problem::Problem;

/// A query.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) fields: Selected,
    pub(super) object: Word,
    pub(super) filter: Option<Condition>,
    pub(super) order: Vec<Order>,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

/// What is selected.
#[derive(Debug)]
pub(super) enum Selected {
    Fields(Vec<Word>),
    /// `COUNT()`
    Count,
    /// `COUNT(field)`
    CountOf(Word),
}

/// A name with its dots, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    at: usize,
}

#[derive(Debug)]
pub(super) struct Order {
    pub(super) path: Word,
    pub(super) is_descending: bool,
    pub(super) has_nulls_last: bool,
}

#[derive(Debug)]
pub(super) enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Is { path: Word, operator: Operator, values: Vec<Literal> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    In,
    NotIn,
}

/// A value as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    /// In quotes; a `%` or `_` that stands for itself has [`PLAIN`] before it.
    Text(String),
    /// A day or a moment.
    Date(String),
}

/// Stands before a `%` or `_` that was escaped. Of the characters that are nobody's.
pub(super) const PLAIN: char = '\u{e000}';

/// What a caret points to in an error.
const BEFORE: usize = 25;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(String),
    Date(String),
    Sign(&'static str),
    End,
}

/// Reads a query.
///
/// # Errors
/// `MALFORMED_QUERY`, with the place.
pub(super) fn parse(text: &str) -> Result<Query, Problem> {
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0 };
    let query = parser.query()?;
    match parser.peek() {
        Token::End => Ok(query),
        _ => Err(parser.unexpected()),
    }
}

/// An error that points to a place of the query.
pub(super) fn at(code: &'static str, text: &str, word: &Word, message: &str) -> Problem {
    problem(code, text, word.at, message)
}

fn problem(code: &'static str, text: &str, at: usize, message: &str) -> Problem {
    let before: String = text.chars().take(at).collect();
    let column = before.chars().count();
    let near: String = text.chars().skip(column.saturating_sub(BEFORE)).take(2 * BEFORE).collect();
    let caret = " ".repeat(column.min(BEFORE));
    let column = column + 1;
    let message = format!("\n{near}\n{caret}^\nERROR at Row:1:Column:{column}\n{message}");
    Problem::bad(code, message)
}

struct Parser<'a> {
    text: &'a str,
    /// Each with where it begins, in characters.
    tokens: Vec<(Token, usize)>,
    next: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(token, _)| token)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn place(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.chars().count(), |(_, at)| *at)
    }

    fn unexpected(&self) -> Problem {
        let token = match self.peek() {
            Token::Word(text) | Token::Number(text) | Token::Date(text) | Token::Text(text) => {
                text.clone()
            }
            Token::Sign(sign) => (*sign).to_owned(),
            Token::End => "<EOF>".to_owned(),
        };
        let message = format!("unexpected token: '{token}'");
        problem("MALFORMED_QUERY", self.text, self.place(), &message)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(text) if text.eq_ignore_ascii_case(word))
    }

    /// Takes a word if it stands here.
    fn has(&mut self, word: &str) -> bool {
        let is_here = self.is_word(word);
        self.next += usize::from(is_here);
        is_here
    }

    fn has_sign(&mut self, sign: &str) -> bool {
        let is_here = matches!(self.peek(), Token::Sign(text) if *text == sign);
        self.next += usize::from(is_here);
        is_here
    }

    fn must(&mut self, word: &str) -> Result<(), Problem> {
        if self.has(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn must_sign(&mut self, sign: &str) -> Result<(), Problem> {
        if self.has_sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn word(&mut self) -> Result<Word, Problem> {
        let at = self.place();
        match self.peek().clone() {
            Token::Word(text) => {
                self.next += 1;
                Ok(Word { text, at })
            }
            _ => Err(self.unexpected()),
        }
    }

    fn number(&mut self) -> Result<usize, Problem> {
        let number = match self.peek() {
            Token::Number(text) => text.parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.unexpected())?;
        self.next += 1;
        Ok(number)
    }

    fn query(&mut self) -> Result<Query, Problem> {
        self.must("SELECT")?;
        let fields = self.selected()?;
        self.must("FROM")?;
        let object = self.word()?;
        let filter = if self.has("WHERE") { Some(self.conditions()?) } else { None };
        let mut order = Vec::new();
        if self.has("ORDER") {
            self.must("BY")?;
            loop {
                let path = self.word()?;
                let is_descending = self.has("DESC");
                if !is_descending {
                    self.has("ASC");
                }
                let mut has_nulls_last = false;
                if self.has("NULLS") {
                    has_nulls_last = self.has("LAST");
                    if !has_nulls_last {
                        self.must("FIRST")?;
                    }
                }
                order.push(Order { path, is_descending, has_nulls_last });
                if !self.has_sign(",") {
                    break;
                }
            }
        }
        let limit = if self.has("LIMIT") { Some(self.number()?) } else { None };
        let offset = if self.has("OFFSET") { self.number()? } else { 0 };
        Ok(Query { fields, object, filter, order, limit, offset })
    }

    fn selected(&mut self) -> Result<Selected, Problem> {
        if self.is_word("COUNT")
            && matches!(self.tokens.get(self.next + 1), Some((Token::Sign("("), _)))
        {
            self.next += 2;
            if self.has_sign(")") {
                return Ok(Selected::Count);
            }
            let field = self.word()?;
            self.must_sign(")")?;
            return Ok(Selected::CountOf(field));
        }
        let mut fields = vec![self.word()?];
        while self.has_sign(",") {
            fields.push(self.word()?);
        }
        Ok(Selected::Fields(fields))
    }

    /// Conditions that are apart by `AND`, or by `OR`: both in one row need parentheses.
    fn conditions(&mut self) -> Result<Condition, Problem> {
        let mut conditions = vec![self.condition()?];
        let joint = ["AND", "OR"].into_iter().find(|joint| self.is_word(joint));
        let Some(joint) = joint else { return Ok(conditions.remove(0)) };
        while self.has(joint) {
            conditions.push(self.condition()?);
        }
        if joint == "AND" { Ok(Condition::All(conditions)) } else { Ok(Condition::Any(conditions)) }
    }

    fn condition(&mut self) -> Result<Condition, Problem> {
        if self.has("NOT") {
            return Ok(Condition::Not(Box::new(self.condition()?)));
        }
        if self.has_sign("(") {
            let inner = self.conditions()?;
            self.must_sign(")")?;
            return Ok(inner);
        }
        let path = self.word()?;
        let signs = [
            ("=", Operator::Equal),
            ("!=", Operator::Unequal),
            ("<>", Operator::Unequal),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let sign = signs.into_iter().find(|(sign, _)| self.has_sign(sign));
        if let Some((_, operator)) = sign {
            return Ok(Condition::Is { path, operator, values: vec![self.literal()?] });
        }
        if self.has("LIKE") {
            let values = vec![self.literal()?];
            return Ok(Condition::Is { path, operator: Operator::Like, values });
        }
        let operator = if self.has("NOT") { Operator::NotIn } else { Operator::In };
        self.must("IN")?;
        self.must_sign("(")?;
        let mut values = vec![self.literal()?];
        while self.has_sign(",") {
            values.push(self.literal()?);
        }
        self.must_sign(")")?;
        Ok(Condition::Is { path, operator, values })
    }

    fn literal(&mut self) -> Result<Literal, Problem> {
        let literal = match self.peek() {
            Token::Text(text) => Literal::Text(text.clone()),
            Token::Date(text) => Literal::Date(text.clone()),
            Token::Number(text) => match text.parse() {
                Ok(number) => Literal::Number(number),
                Err(_) => return Err(self.unexpected()),
            },
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Literal::Null,
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Literal::Bool(true),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Literal::Bool(false),
            _ => return Err(self.unexpected()),
        };
        self.take();
        Ok(literal)
    }
}

fn tokens(text: &str) -> Result<Vec<(Token, usize)>, Problem> {
    let letters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        let begin = at;
        let rest = |from: usize, fits: fn(char) -> bool| {
            letters[from..].iter().take_while(|letter| fits(**letter)).count()
        };
        if letter.is_whitespace() {
            at += 1;
            continue;
        }
        let token = if letter == '\'' {
            let (text, length) = quoted(&letters[at..]).ok_or_else(|| {
                problem("MALFORMED_QUERY", text, at, "Bind variables only allowed in Apex code")
            })?;
            at += length;
            Token::Text(text)
        } else if letter.is_ascii_digit()
            || (letter == '-' && letters.get(at + 1).is_some_and(char::is_ascii_digit))
        {
            at += 1 + rest(at + 1, |letter| {
                letter.is_ascii_alphanumeric() || "-:.+".contains(letter)
            });
            let word: String = letters[begin..at].iter().collect();
            if word.parse::<f64>().is_ok() { Token::Number(word) } else { Token::Date(word) }
        } else if letter.is_ascii_alphabetic() {
            at +=
                rest(at, |letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.');
            Token::Word(letters[begin..at].iter().collect())
        } else {
            let two: String = letters[at..].iter().take(2).collect();
            let signs = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","];
            let Some(sign) = signs.into_iter().find(|sign| two.starts_with(sign)) else {
                let message = format!("unexpected token: '{letter}'");
                return Err(problem("MALFORMED_QUERY", text, at, &message));
            };
            at += sign.len();
            Token::Sign(sign)
        };
        tokens.push((token, begin));
    }
    Ok(tokens)
}

/// A text in quotes and its length with them. `None` when it has no end, or an escape that is none.
fn quoted(letters: &[char]) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut at = 1;
    loop {
        let letter = *letters.get(at)?;
        at += 1;
        match letter {
            '\'' => return Some((text, at)),
            '\\' => {
                let escaped = *letters.get(at)?;
                at += 1;
                match escaped {
                    'n' | 'N' => text.push('\n'),
                    'r' | 'R' => text.push('\r'),
                    't' | 'T' => text.push('\t'),
                    'b' | 'B' => text.push('\u{8}'),
                    'f' | 'F' => text.push('\u{c}'),
                    '"' | '\'' | '\\' => text.push(escaped),
                    '_' | '%' => text.extend([PLAIN, escaped]),
                    _ => return None,
                }
            }
            other => text.push(other),
        }
    }
}

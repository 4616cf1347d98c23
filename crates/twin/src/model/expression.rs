//! TaskRouter's expression language, as far as workflows of voice queues use it
//! (<https://www.twilio.com/docs/taskrouter/expression-syntax>), and that of Sync's live queries, which is much the
//! same (<https://www.twilio.com/docs/sync/live-query>).

use serde_json::Value;

/// Maximum depth of nesting, so that no text can exhaust the stack.
const DEPTH: usize = 64;

/// Why a text is not an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an expression: {what} at character {at}")]
pub struct ExpressionError {
    /// What is wrong.
    what: &'static str,
    /// Position, counted from 0.
    at: usize,
}

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Or(Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Compare(Operand, Operator, Operand),
    /// An operand alone: true if it is `true`.
    Alone(Operand),
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    /// An attribute: `a.b`, `task.a`, `worker.a`.
    Path(String),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// The left is a member of the list on the right.
    In,
    NotIn,
    /// The list on the left contains the right.
    Has,
    /// The text (or list) on the left contains the right.
    Contains,
}

impl Expression {
    /// Parses an expression.
    ///
    /// # Errors
    /// When the text is malformed, or uses what is not modelled.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: &tokens, at: 0, end: text.chars().count() };
        let node = parser.or(0)?;
        match parser.tokens.get(parser.at) {
            None => Ok(Self(node)),
            Some((at, _)) => Err(ExpressionError { what: "unexpected text", at: *at }),
        }
    }

    /// True when the expression holds. `attribute` returns the value of a path, `Null` when there is none.
    pub fn holds(&self, attribute: &dyn Fn(&str) -> Value) -> bool {
        self.0.holds(attribute)
    }
}

/// The value under a dotted path, `Null` if there is none.
pub fn lookup(attributes: &Value, path: &str) -> Value {
    path.split('.').try_fold(attributes, |value, key| value.get(key)).cloned().unwrap_or_default()
}

impl Node {
    fn holds(&self, attribute: &dyn Fn(&str) -> Value) -> bool {
        match self {
            Self::Or(a, b) => a.holds(attribute) || b.holds(attribute),
            Self::And(a, b) => a.holds(attribute) && b.holds(attribute),
            Self::Not(node) => !node.holds(attribute),
            Self::Alone(operand) => operand.value(attribute) == Value::Bool(true),
            Self::Compare(left, operator, right) => {
                compare(&left.value(attribute), *operator, &right.value(attribute))
            }
        }
    }
}

impl Operand {
    fn value(&self, attribute: &dyn Fn(&str) -> Value) -> Value {
        match self {
            Self::Path(path) => attribute(path),
            Self::Literal(value) => value.clone(),
        }
    }
}

fn compare(left: &Value, operator: Operator, right: &Value) -> bool {
    use std::cmp::Ordering;
    let member = |list: &Value, value: &Value| {
        list.as_array().is_some_and(|list| list.iter().any(|item| equal(item, value)))
    };
    let order = || match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    };
    match operator {
        Operator::Equal => equal(left, right),
        Operator::NotEqual => !equal(left, right),
        Operator::Less => order() == Some(Ordering::Less),
        Operator::LessEqual => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => order() == Some(Ordering::Greater),
        Operator::GreaterEqual => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
        Operator::In => member(right, left),
        Operator::NotIn => !member(right, left),
        Operator::Has => member(left, right),
        Operator::Contains => match (left, right) {
            (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
            _ => member(left, right),
        },
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        // 1 and 1.0 are the same number.
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(f64),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 13] = ["==", "!=", "<=", ">=", "&&", "||", "=", "<", ">", "(", ")", "[", "]"];

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ExpressionError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = vec![];
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let start = at;
        if c.is_whitespace() {
            at += 1;
        } else if c == '\'' || c == '"' {
            let length = chars[at + 1..]
                .iter()
                .position(|&end| end == c)
                .ok_or(ExpressionError { what: "a quote that is never closed", at })?;
            tokens.push((start, Token::Text(chars[at + 1..at + 1 + length].iter().collect())));
            at += length + 2;
        } else if c == ',' {
            at += 1;
            tokens.push((start, Token::Symbol(",")));
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| {
            symbol.chars().enumerate().all(|(offset, wanted)| chars.get(at + offset) == Some(&wanted))
        }) {
            at += symbol.len();
            tokens.push((start, Token::Symbol(symbol)));
        } else {
            let rest = &chars[at..];
            let length = rest
                .iter()
                .position(|c| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '$')))
                .unwrap_or(rest.len());
            if length == 0 {
                return Err(ExpressionError { what: "an unknown character", at });
            }
            let word: String = rest[..length].iter().collect();
            at += length;
            let number = c.is_ascii_digit() || c == '-';
            let token = match word.parse::<f64>() {
                Ok(value) if number && value.is_finite() => Token::Number(value),
                _ if number => return Err(ExpressionError { what: "a broken number", at: start }),
                _ => Token::Word(word),
            };
            tokens.push((start, token));
        }
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    at: usize,
    end: usize,
}

impl Parser<'_> {
    fn or(&mut self, depth: usize) -> Result<Node, ExpressionError> {
        let mut left = self.and(depth)?;
        while self.keyword("OR") || self.symbol("||") {
            left = Node::Or(Box::new(left), Box::new(self.and(depth)?));
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Result<Node, ExpressionError> {
        let mut left = self.not(depth)?;
        while self.keyword("AND") || self.symbol("&&") {
            left = Node::And(Box::new(left), Box::new(self.not(depth)?));
        }
        Ok(left)
    }

    fn not(&mut self, depth: usize) -> Result<Node, ExpressionError> {
        if depth > DEPTH {
            return Err(self.error("too many levels"));
        }
        if self.keyword("NOT") {
            return Ok(Node::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.symbol("(") {
            let node = self.or(depth + 1)?;
            return if self.symbol(")") { Ok(node) } else { Err(self.error("a missing )")) };
        }
        let left = self.operand(depth)?;
        match self.operator() {
            Some(operator) => Ok(Node::Compare(left, operator, self.operand(depth)?)),
            None => Ok(Node::Alone(left)),
        }
    }

    fn operator(&mut self) -> Option<Operator> {
        use Operator as O;
        let symbols = [
            ("==", O::Equal),
            ("=", O::Equal),
            ("!=", O::NotEqual),
            ("<=", O::LessEqual),
            (">=", O::GreaterEqual),
            ("<", O::Less),
            (">", O::Greater),
        ];
        for (symbol, operator) in symbols {
            if self.symbol(symbol) {
                return Some(operator);
            }
        }
        let words = [("IN", O::In), ("NOT_IN", O::NotIn), ("HAS", O::Has), ("CONTAINS", O::Contains)];
        for (word, operator) in words {
            if self.keyword(word) {
                return Some(operator);
            }
        }
        let before = self.at;
        if self.keyword("NOT") {
            if self.keyword("IN") {
                return Some(O::NotIn);
            }
            self.at = before;
        }
        None
    }

    fn operand(&mut self, depth: usize) -> Result<Operand, ExpressionError> {
        if depth > DEPTH {
            return Err(self.error("too many levels"));
        }
        for (open, close) in [("[", "]"), ("(", ")")] {
            if self.symbol(open) {
                return self.list(close, depth);
            }
        }
        let Some((_, token)) = self.tokens.get(self.at) else {
            return Err(self.error("an end where a value was expected"));
        };
        let operand = match token {
            Token::Text(text) => Operand::Literal(Value::String(text.clone())),
            Token::Number(number) => Operand::Literal(Value::from(*number)),
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "true" => Operand::Literal(Value::Bool(true)),
                "false" => Operand::Literal(Value::Bool(false)),
                "null" => Operand::Literal(Value::Null),
                "and" | "or" | "not" | "in" | "not_in" | "has" | "contains" => {
                    return Err(self.error("an operator where a value was expected"));
                }
                _ => Operand::Path(word.clone()),
            },
            Token::Symbol(_) => return Err(self.error("a sign where a value was expected")),
        };
        self.at += 1;
        Ok(operand)
    }

    /// A list of literals.
    fn list(&mut self, close: &'static str, depth: usize) -> Result<Operand, ExpressionError> {
        let mut items = vec![];
        if self.symbol(close) {
            return Ok(Operand::Literal(Value::Array(items)));
        }
        loop {
            match self.operand(depth + 1)? {
                Operand::Literal(value) => items.push(value),
                Operand::Path(_) => return Err(self.error("an attribute in a list")),
            }
            if self.symbol(close) {
                return Ok(Operand::Literal(Value::Array(items)));
            }
            if !self.symbol(",") {
                return Err(self.error("a list that is never closed"));
            }
        }
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some((_, Token::Symbol(found))) if *found == symbol);
        self.at += usize::from(found);
        found
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.tokens.get(self.at),
            Some((_, Token::Word(word))) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    fn error(&self, what: &'static str) -> ExpressionError {
        ExpressionError { what, at: self.tokens.get(self.at).map_or(self.end, |(at, _)| *at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn holds(text: &str) -> bool {
        let attributes = json!({
            "isReconnect": true, "targetWorkerSid": "WK1", "nothing": null, "count": 2, "language": "de",
            "skills": ["voice", "chat"], "routing": {"level": 3}, "a_text": "hello there"
        });
        Expression::parse(text).expect(text).holds(&|path| lookup(&attributes, path))
    }

    #[test]
    fn table() {
        for (text, wanted) in [
            ("1==1", true),
            ("1 == 2", false),
            ("isReconnect == true AND targetWorkerSid != null", true),
            ("isReconnect == true AND missing != null", false),
            ("isReconnect", true),
            ("NOT isReconnect", false),
            ("nothing == null and missing == null", true),
            ("count == 2.0", true),
            ("count > 1 AND count <= 2", true),
            ("count < 'a'", false),
            ("language IN ['en', 'de']", true),
            ("language IN ('en')", false),
            ("language NOT IN ['en']", true),
            ("language not_in [\"en\", \"de\"]", false),
            ("skills HAS 'voice'", true),
            ("skills HAS \"video\"", false),
            ("a_text CONTAINS 'lo th'", true),
            ("routing.level >= 3", true),
            // AND binds more tightly than OR.
            ("1==1 OR 1==2 AND 1==2", true),
            ("(1==1 OR 1==2) AND 1==2", false),
            ("NOT (language == 'en') && count != 3", true),
            ("isReconnect == 'true'", false),
            ("count == -2", false),
        ] {
            assert_eq!(holds(text), wanted, "{text}");
        }
    }

    #[test]
    fn malformed_expressions_are_refused() {
        for text in ["", "==", "a ==", "(a", "a == 'b", "a b", "x IN [y]", "1.2.3 == 1", "a ; b", "a == b OR"]
        {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
        assert!(Expression::parse(&"(".repeat(10_000)).is_err());
        assert!(Expression::parse(&"NOT ".repeat(10_000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9'\"()\\[\\],.=!<>&| ANDORTI-]{0,40}") {
            if let Ok(expression) = Expression::parse(&text) {
                expression.holds(&|_| Value::Null);
            }
        }
    }
}

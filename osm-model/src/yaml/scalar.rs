//! How a scalar stands on the page: plain, in single or in double quotes, and where it folds.

/// Past this column a scalar folds at its next space.
const WIDTH: usize = 80;

/// Where a scalar stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    /// Before a colon: one line only.
    Key,
    /// Anywhere else.
    Value,
}

/// The quotes around a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Single,
    Double,
}

/// The line breaks of YAML 1.1.
pub(crate) fn is_break(ch: char) -> bool {
    matches!(ch, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank_or_end(ch: Option<char>) -> bool {
    ch.is_none_or(|ch| matches!(ch, '\0' | ' ' | '\t' | '\r') || is_break(ch))
}

fn is_special(ch: char) -> bool {
    ch != '\n' && !(' '..='~').contains(&ch)
}

impl Style {
    /// The first style that keeps the text what it is.
    pub(crate) fn choose(text: &str, quote: bool, context: Context) -> Self {
        let analysis = Analysis::of(text);
        if !quote && analysis.plain {
            return Self::Plain;
        }
        if analysis.single && !(context == Context::Key && analysis.multiline) {
            return Self::Single;
        }
        Self::Double
    }
}

struct Analysis {
    plain: bool,
    single: bool,
    multiline: bool,
}

impl Analysis {
    fn of(text: &str) -> Self {
        let mut breaks = false;
        let mut special = false;
        let mut break_space = false;
        let mut space_break = false;
        let mut indicator = text.starts_with("---") || text.starts_with("...");
        let mut previous = None;
        let mut chars = text.chars().peekable();
        while let Some(ch) = chars.next() {
            let next = chars.peek().copied();
            indicator |= is_indicator(previous, ch, next);
            special |= is_special(ch);
            if ch == ' ' {
                break_space |= previous.is_some_and(is_break);
            } else if is_break(ch) {
                breaks = true;
                space_break |= previous == Some(' ');
            }
            previous = Some(ch);
        }
        let edge = |ch: char| ch == ' ' || is_break(ch);
        let edges = text.starts_with(edge) || text.ends_with(edge);
        let single = !(break_space || space_break || special);
        Self { plain: single && !edges && !breaks && !indicator, single, multiline: breaks }
    }
}

/// Whether a character could be taken for syntax in a block.
fn is_indicator(previous: Option<char>, ch: char, next: Option<char>) -> bool {
    if previous.is_none() {
        return match ch {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
            | '`' => true,
            '?' | ':' | '-' => is_blank_or_end(next),
            _ => false,
        };
    }
    match ch {
        ':' => is_blank_or_end(next),
        '#' => is_blank_or_end(previous),
        _ => false,
    }
}

/// The text written so far and where its last line stands.
#[derive(Debug)]
pub(crate) struct Out {
    text: String,
    column: usize,
    /// The last thing written was white space, or nothing.
    whitespace: bool,
    /// The line holds nothing but indent and indicators.
    indention: bool,
}

impl Default for Out {
    fn default() -> Self {
        Self { text: String::new(), column: 0, whitespace: true, indention: true }
    }
}

impl Out {
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn write(&mut self, data: &str) {
        self.column += data.chars().count();
        self.text.push_str(data);
    }

    pub(crate) fn line_break(&mut self) {
        self.text.push('\n');
        self.column = 0;
        self.whitespace = true;
        self.indention = true;
    }

    /// Goes to `indent`, on a new line if this one is used.
    pub(crate) fn indent(&mut self, indent: usize) {
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break();
        }
        if self.column < indent {
            self.whitespace = true;
            let fill = " ".repeat(indent - self.column);
            self.write(&fill);
        }
    }

    /// Writes syntax, after a space where one is needed.
    pub(crate) fn indicator(&mut self, indicator: &str, need_whitespace: bool) {
        if need_whitespace && !self.whitespace {
            self.write(" ");
        }
        self.write(indicator);
        self.whitespace = false;
        self.indention = false;
    }

    /// Writes `-`, `?` or `:` in front of a value that may start on the same line.
    pub(crate) fn indention_indicator(&mut self, indicator: &str) {
        let indention = self.indention;
        self.indicator(indicator, true);
        self.indention = indention;
    }

    pub(crate) fn end_document(&mut self) {
        self.indent(0);
    }

    /// Writes a scalar; its further lines start at `indent`.
    pub(crate) fn scalar(&mut self, text: &str, style: Style, indent: usize, context: Context) {
        let split = context == Context::Value;
        match style {
            Style::Plain => self.plain(text, indent, split),
            Style::Single => self.single_quoted(text, indent, split),
            Style::Double => self.double_quoted(text, indent, split),
        }
    }

    fn plain(&mut self, text: &str, indent: usize, split: bool) {
        if text.is_empty() {
            return;
        }
        if !self.whitespace {
            self.write(" ");
        }
        self.whitespace = false;
        self.indention = false;
        for run in runs(text) {
            // Only a single space can become a line break and come back as one.
            if run == " " && self.column > WIDTH && split {
                self.indent(indent);
                self.whitespace = false;
                self.indention = false;
            } else {
                self.write(run);
            }
        }
    }

    fn single_quoted(&mut self, text: &str, indent: usize, split: bool) {
        self.indicator("'", true);
        let mut position = 0;
        for run in runs(text) {
            let inside = position != 0 && position + run.len() != text.len();
            position += run.len();
            if run == " " && self.column > WIDTH && split && inside {
                self.indent(indent);
            } else if run.starts_with('\n') {
                // One more than there are: a lone line break would be read back as a space.
                for _ in 0..=run.len() {
                    self.line_break();
                }
                self.indent(indent);
            } else {
                self.write(&run.replace('\'', "''"));
            }
        }
        self.indicator("'", false);
    }

    fn double_quoted(&mut self, text: &str, indent: usize, split: bool) {
        self.indicator("\"", true);
        let chars: Vec<char> = text.chars().collect();
        let mut pending = 0;
        for end in 0..=chars.len() {
            let ch = chars.get(end).copied();
            if ch.is_none_or(must_escape) {
                self.write_chars(&chars[pending..end]);
                pending = end;
                if let Some(ch) = ch {
                    self.write(&escape(ch));
                    pending = end + 1;
                }
            }
            let may_fold = ch == Some(' ') || pending >= end;
            let inside = end > 0 && end + 1 < chars.len();
            if split && inside && may_fold && self.column + end > WIDTH + pending {
                if pending < end {
                    self.write_chars(&chars[pending..end]);
                    pending = end;
                }
                self.write("\\");
                self.indent(indent);
                self.whitespace = false;
                self.indention = false;
                if chars.get(pending) == Some(&' ') {
                    self.write("\\");
                }
            }
        }
        self.indicator("\"", false);
    }

    fn write_chars(&mut self, chars: &[char]) {
        self.column += chars.len();
        self.text.extend(chars);
    }
}

/// The text cut into runs of spaces, of line breaks and of anything else.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let class = |ch: char| if ch == ' ' { 0 } else { 1 + u8::from(is_break(ch)) };
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = class(rest.chars().next()?);
        let end = rest.find(|ch| class(ch) != first).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        rest = tail;
        Some(run)
    })
}

fn must_escape(ch: char) -> bool {
    matches!(ch, '"' | '\\') || !(' '..='~').contains(&ch)
}

fn escape(ch: char) -> String {
    let short = match ch {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(ch);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}

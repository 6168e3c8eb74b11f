//! What a page is made of: headings, items of sentences with their sources, tables, commands and pictures.

/// Where the figures of a sentence come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The row of this candidate.
    Row(u64),
    /// All candidates: counts of them, and what is said of those that were not simulated.
    Candidates,
    /// Published measurements and predictions of them.
    Validation,
    /// What was asked.
    Question,
    /// What only `advice.json` holds: runs with more of a resource, commands, steps.
    Data,
}

impl Source {
    fn text(self) -> String {
        match self {
            Self::Row(index) => format!("row {index}"),
            Self::Candidates => "candidates.csv".to_owned(),
            Self::Validation => "validation".to_owned(),
            Self::Question => "question".to_owned(),
            Self::Data => "advice.json".to_owned(),
        }
    }
}

/// One sentence. Its text has no period at its end; what stands in backticks is code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    /// As [`plain`] and [`code`] make it.
    pub text: String,
    pub sources: Vec<Source>,
}

impl Sentence {
    pub(super) fn new(text: impl Into<String>, sources: &[Source]) -> Self {
        let mut kept: Vec<Source> = Vec::new();
        for source in sources {
            if !kept.contains(source) {
                kept.push(*source);
            }
        }
        let text: String = text.into();
        Self { text: text.trim().trim_end_matches('.').to_owned(), sources: kept }
    }

    /// Words without figures.
    pub(super) fn bare(text: impl Into<String>) -> Self {
        Self::new(text, &[])
    }

    /// `[row 12, question]`; empty without sources.
    pub(super) fn tag(&self) -> String {
        let sources: Vec<String> = self.sources.iter().map(|source| source.text()).collect();
        if sources.is_empty() { String::new() } else { format!(" [{}]", sources.join(", ")) }
    }
}

/// Several sentences of one source, as somebody else wrote them.
pub(super) fn sentences(text: &str, sources: &[Source]) -> Vec<Sentence> {
    let mut all = Vec::new();
    let mut rest = text.trim();
    let mut from = 0;
    while let Some(at) = rest[from..].find(". ").map(|at| from + at) {
        let next = rest[at + 2..].trim_start();
        if next.starts_with(|c: char| c.is_uppercase()) {
            all.push(Sentence::new(plain(&rest[..at]), sources));
            (rest, from) = (next, 0);
        } else {
            from = at + 2;
        }
    }
    if !rest.is_empty() {
        all.push(Sentence::new(plain(rest), sources));
    }
    all
}

/// Text from elsewhere, which is never code.
pub(super) fn plain(text: &str) -> String {
    text.replace('`', "'").replace(char::is_control, " ")
}

/// The text with a capital at its beginning.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Text to be shown as it is written in files and commands.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", plain(text))
}

/// One line of a table: its cells, and what does not fit beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub cells: Vec<String>,
    pub label: String,
    pub is_subject: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    Heading(String),
    /// Sentences under a lead; none where it is empty.
    Item(String, Vec<Sentence>),
    /// Titles of the cells and of the label, and lines.
    Table(Vec<String>, String, Vec<Line>),
    /// A command, line by line.
    Command(String),
    /// A file's name without its ending, and what it shows.
    Picture(&'static str, &'static str),
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub title: String,
    pub blocks: Vec<Block>,
}

impl Page {
    pub(super) fn new(title: &str) -> Self {
        Self { title: plain(title), blocks: Vec::new() }
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.blocks.push(Block::Heading(text.to_owned()));
    }

    /// An item of one sentence.
    pub(super) fn say(&mut self, lead: &str, text: impl Into<String>, sources: &[Source]) {
        self.item(lead, vec![Sentence::new(text, sources)]);
    }

    /// An item; nothing without sentences. Without a lead it begins with a capital.
    pub(super) fn item(&mut self, lead: &str, mut sentences: Vec<Sentence>) {
        if let Some(first) = sentences.first_mut().filter(|_| lead.is_empty()) {
            first.text = capital(&first.text);
        }
        if !sentences.is_empty() {
            self.blocks.push(Block::Item(plain(lead), sentences));
        }
    }

    pub(super) fn command(&mut self, text: &str) {
        self.blocks.push(Block::Command(text.trim_end().to_owned()));
    }

    pub(super) fn picture(&mut self, name: &'static str, title: &'static str) {
        self.blocks.push(Block::Picture(name, title));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_of_a_text_gets_its_source() {
        let texts = |text| sentences(text, &[]).into_iter().map(|one| one.text).collect::<Vec<_>>();
        for (text, expect) in [
            ("One is 3.5 % of it. Two, e.g. this. ", vec!["One is 3.5 % of it", "Two, e.g. this"]),
            ("no end", vec!["no end"]),
            ("", vec![]),
            ("A.  B.", vec!["A", "B"]),
        ] {
            assert_eq!(texts(text), expect);
        }
        let one = Sentence::new("x.", &[Source::Row(7), Source::Row(7), Source::Question]);
        assert_eq!((one.text.as_str(), one.tag().as_str()), ("x", " [row 7, question]"));
    }
}

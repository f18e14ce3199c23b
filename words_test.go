//go:build !race

package auth_test

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// What prose may be: the words of a sentence, in the mean and at most.
const (
	meanOnPages    = 17.0
	meanInComments = 16.0
	longest        = 35
)

// A sentence is what stands between full stops, in words.
type sentence struct {
	file  string
	line  int // at which its paragraph begins
	text  string
	words int
}

// paragraph is a run of lines of prose.
type paragraph struct {
	line  int // of the first, 1 is the file's first
	lines []string
}

// paragraphs cuts a text into its paragraphs. prose returns the prose of a line, and
// "" for a line that ends a paragraph and has none; its parameter says whether the line is the
// first of a paragraph.
func paragraphs(lines []string, prose func(line string, first bool) string) (found []paragraph) {
	open := false
	for i, line := range lines {
		text := prose(line, !open)
		if text == "" || text[0] == '|' || text[0] == '#' { // a row of a table, a heading
			open = false
			continue
		}
		if !open {
			found, open = append(found, paragraph{line: i + 1}), true
		}
		last := &found[len(found)-1]
		last.lines = append(last.lines, text)
	}
	return found
}

// ofPages is the prose of a line of Markdown: none where it is indented as code is.
func ofPages(line string, first bool) string {
	if first && strings.HasPrefix(line, "    ") {
		return ""
	}
	return strings.TrimSpace(line)
}

// ofComments is the prose of a line of Go that is a comment and nothing else: none of
// directives and of code in it.
func ofComments(line string, _ bool) string {
	body, ok := strings.CutPrefix(strings.TrimSpace(line), "//")
	if !ok || strings.HasPrefix(body, "go:") || strings.HasPrefix(body, "\t") || strings.HasPrefix(body, "    ") {
		return ""
	}
	return strings.TrimSpace(body)
}

var (
	linkText     = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	endOfThought = regexp.MustCompile(`[.!?]\s`)
)

// sentences returns the sentences of paragraphs. A sentence ends at a full stop, an
// exclamation or a question mark that white space follows. A colon or a new line ends
// none, so items of a list end with a full stop. Code in a line is one word.
func sentences(file string, from []paragraph) (found []sentence) {
	for _, p := range from {
		text := inlineCode.ReplaceAllString(strings.Join(p.lines, " "), "X")
		text = linkText.ReplaceAllString(text, "$1")
		for text != "" {
			one := text
			if end := endOfThought.FindStringIndex(text); end != nil {
				one = text[:end[1]]
			}
			text = text[len(one):]
			if strings.ContainsFunc(one, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
				found = append(found, sentence{file, p.line, one, len(strings.Fields(one))})
			}
		}
	}
	return found
}

// checkSentences fails for what is too long, one by one and in the mean.
func checkSentences(t *testing.T, of string, all []sentence, mean float64) {
	t.Helper()
	total := 0
	for _, s := range all {
		total += s.words
		if s.words > longest {
			t.Errorf("%s:%d: a sentence of %d words: %.60s…", s.file, s.line, s.words, s.text)
		}
	}
	if got := float64(total) / float64(max(1, len(all))); got > mean {
		t.Errorf("%s: %.1f words a sentence, want at most %.0f", of, got, mean)
	}
}

func TestPagesAreWrittenInShortSentences(t *testing.T) {
	for _, page := range sourceFiles(t, ".md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		checkSentences(t, page, sentences(page, paragraphs(proseLines(string(text)), ofPages)), meanOnPages)
	}
}

func TestCommentsAreWrittenInShortSentences(t *testing.T) {
	packages := map[string][]sentence{}
	for _, file := range sourceFiles(t, ".go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") || strings.Contains(string(text), "\n// Code generated ") {
			continue
		}
		dir := path.Dir(file)
		packages[dir] = append(packages[dir], sentences(file, paragraphs(strings.Split(string(text), "\n"), ofComments))...)
	}
	for dir, all := range packages {
		checkSentences(t, "comments of "+dir, all, meanInComments)
	}
}

func TestASentenceEndsAtAFullStopAndNowhereElse(t *testing.T) {
	page := "# Heading of no account\n\nOne `a. b` here: two\nthree. [Four](x.md) v1.2 is\n- five?\n\n| a row. Of two |\n\n    code. Code.\n\n```\nmore. Code.\n```\n\n---\n"
	var words []int
	for _, s := range sentences("page", paragraphs(proseLines(page), ofPages)) {
		words = append(words, s.words)
	}
	if len(words) != 2 || words[0] != 5 || words[1] != 5 {
		t.Errorf("sentences of %v words, want [5 5]", words)
	}
	file := "//go:build x\n// One two\n// three.\n//\n//\tcode. Code.\n//\n// Four. Five!\nx := 1 // trailing. Not.\n"
	words = nil
	for _, s := range sentences("file", paragraphs(strings.Split(file, "\n"), ofComments)) {
		words = append(words, s.words)
	}
	if len(words) != 3 || words[0] != 3 || words[1] != 1 || words[2] != 1 {
		t.Errorf("sentences of %v words, want [3 1 1]", words)
	}
}

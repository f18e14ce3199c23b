package pages

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A text is one that the script shows.
type text struct{ Key, Text string }

// texts returns the texts of every language, English first. Each has all keys of English.
func texts(more []Language) (all []Language, err error) {
	for _, tag := range []string{"en", "de"} {
		raw, err := files.ReadFile("text/" + tag + ".json")
		if err != nil {
			return nil, err
		}
		l := Language{Tag: tag}
		if err := json.Unmarshal(raw, &l.Texts); err != nil {
			return nil, fmt.Errorf("pages: text/%s.json: %w", tag, err)
		}
		all = append(all, l)
	}
	english := all[0].Texts
	for _, l := range more {
		if !language.MatchString(l.Tag) {
			return nil, fmt.Errorf("pages: Languages: %q is no language tag", l.Tag)
		}
		i := slices.IndexFunc(all, func(other Language) bool { return strings.EqualFold(other.Tag, l.Tag) })
		if i < 0 {
			i = len(all)
			all = append(all, Language{Tag: l.Tag, Texts: map[string]string{}})
		}
		for key, text := range l.Texts {
			known, ok := english[key]
			if !ok {
				return nil, fmt.Errorf("pages: Languages: %s has the key %q, which is none", l.Tag, key)
			}
			if slots(text) != slots(known) {
				return nil, fmt.Errorf("pages: Languages: %s: %q needs what stands in braces in the English one", l.Tag, key)
			}
			all[i].Texts[key] = text
		}
	}
	for _, l := range all {
		for key, text := range english {
			if _, ok := l.Texts[key]; !ok {
				l.Texts[key] = text
			}
		}
	}
	return all, nil
}

// slots returns the names in braces of a text, in alphabetical order.
func slots(text string) string {
	var names []string
	for {
		_, rest, ok := strings.Cut(text, "{")
		if !ok {
			slices.Sort(names)
			return strings.Join(names, " ")
		}
		var name string
		name, text, _ = strings.Cut(rest, "}")
		names = append(names, name)
	}
}

// spoken returns the texts that the script shows: their keys begin with "error." or "say.".
func spoken(words map[string]string) (all []text) {
	for key, t := range words {
		if strings.HasPrefix(key, "error.") || strings.HasPrefix(key, "say.") {
			all = append(all, text{key, t})
		}
	}
	slices.SortFunc(all, func(a, b text) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// languageOf returns the first language in the Accept-Language of r that there is. Browsers write them
// in the order of their weights.
func (p *Pages) languageOf(r *http.Request) string {
	for _, one := range strings.Split(strings.Join(r.Header["Accept-Language"], ","), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(one), ";")
		for tag != "" {
			if i := slices.IndexFunc(p.tags, func(have string) bool { return strings.EqualFold(have, tag) }); i >= 0 {
				return p.tags[i]
			}
			cut := strings.LastIndexByte(tag, '-') // de-AT is de
			tag = tag[:max(cut, 0)]
		}
	}
	return p.fallback
}

package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// allKeys are the keys of the struct, with NAME where users choose the name.
func allKeys(t reflect.Type, path string) []string {
	switch {
	case isText(t):
		return []string{path}
	case t.Kind() == reflect.Map:
		return allKeys(t.Elem(), join(path, "NAME"))
	case t.Kind() == reflect.Slice:
		if t.Elem().Kind() != reflect.Struct || len(tags(t.Elem())) == 0 {
			return []string{path}
		}
		return allKeys(t.Elem(), join(path, "NAME"))
	}
	var keys []string
	if t == typeLive { // or a word
		keys = append(keys, path)
	}
	for _, name := range tags(t) {
		keys = append(keys, allKeys(fieldByTag(t, name).Type, join(path, name))...)
	}
	return keys
}

func TestReferenceHasEveryKey(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"protocols.NAME.stats": true}
	for _, key := range allKeys(reflect.TypeFor[Config](), "") {
		known[key] = true
		if !strings.Contains(string(text), "| `"+key+"` |") {
			t.Errorf("docs/config.md lacks %s", key)
		}
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "| `"); ok {
			if key, _, _ := strings.Cut(rest, "`"); !known[key] {
				t.Errorf("docs/config.md has %s, which is no key", key)
			}
		}
	}
	if len(known) < 35 {
		t.Errorf("only %d keys were found", len(known))
	}
}

package archive_test

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/archive"
)

func numbered(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m["k"+strconv.Itoa(i)] = "v"
	}
	return m
}

func TestMergedTags(t *testing.T) {
	t.Parallel()
	type tags = map[string]string
	for name, tt := range map[string]struct {
		have, set tags
		remove    []string
		want      tags
		changed   bool
		err       error
	}{
		"none":               {want: tags{}},
		"set":                {set: tags{"a": "1"}, want: tags{"a": "1"}, changed: true},
		"keeps others":       {have: tags{"x": "y"}, set: tags{"a": "1"}, want: tags{"x": "y", "a": "1"}, changed: true},
		"overwrites":         {have: tags{"a": "0"}, set: tags{"a": "1"}, want: tags{"a": "1"}, changed: true},
		"same":               {have: tags{"a": "1"}, set: tags{"a": "1"}, want: tags{"a": "1"}},
		"removes":            {have: tags{"a": "1", "b": "2"}, remove: []string{"a"}, want: tags{"b": "2"}, changed: true},
		"removes what isn't": {have: tags{"b": "2"}, remove: []string{"a"}, want: tags{"b": "2"}},
		"set wins":           {have: tags{"a": "1"}, set: tags{"a": "2"}, remove: []string{"a"}, want: tags{"a": "2"}, changed: true},
		"ten":                {have: numbered(9), set: tags{"a": ""}, want: func() tags { m := numbered(9); m["a"] = ""; return m }(), changed: true},
		"eleven":             {have: numbered(10), set: tags{"a": ""}, err: archive.ErrTooManyTags},
		"swapped at ten": {have: numbered(10), set: tags{"a": ""}, remove: []string{"k0"},
			want: func() tags { m := numbered(10); delete(m, "k0"); m["a"] = ""; return m }(), changed: true},
	} {
		have := maps.Clone(tt.have)
		got, changed, err := archive.MergedTags(tt.have, tt.set, tt.remove)
		if !errors.Is(err, tt.err) || !maps.Equal(got, tt.want) || changed != tt.changed {
			t.Errorf("%s: got %v, %t, %v", name, got, changed, err)
		}
		if !maps.Equal(have, tt.have) {
			t.Errorf("%s: the tags it was given have changed to %v", name, tt.have)
		}
	}
}

func TestMergedTagsChecks(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 128)
	for _, tt := range []struct {
		key, value string
		ok         bool
	}{
		{"REPLAY", "PENDING", true},
		{"STATE_CHANGE", "2024-02-29T23:59:59Z", true},
		{long, long + long, true},
		{"größe 1+2=3", "a/b:c@d.e-f", true},
		{"", "v", false},
		{long + "x", "v", false},
		{"k", long + long + "x", false},
		{"aws:x", "v", false},
		{"k", "a\nb", false},
		{"k", "a,b", false},
		{"k#", "", false},
		{"k", "\xff", false},
	} {
		_, _, err := archive.MergedTags(nil, map[string]string{tt.key: tt.value}, nil)
		if (err == nil) != tt.ok {
			t.Errorf("%.20q = %.20q: %v", tt.key, tt.value, err)
		}
	}
}

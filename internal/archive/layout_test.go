package archive_test

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
)

func TestParseLayoutErrors(t *testing.T) {
	t.Parallel()
	for layout, want := range map[string]string{
		"":                            "byte 0: {protocol} is missing",
		"{rest}":                      "byte 6: {protocol} is missing",
		"{protocol}/{day}/{rest}":     "byte 11: unknown placeholder {day}",
		"{protocol}/{}":               "byte 11: unknown placeholder {}",
		"{protocol}/{protocol}":       "byte 11: {protocol} stands at byte 0 already",
		"{protocol}/{rest}/{rest}":    "byte 18: {rest} stands at byte 11 already",
		"a/{protocol":                 "byte 2: '{' is not closed",
		"a}/{protocol}":               "byte 1: '}' closes nothing",
		"{protocol}{rest}":            "byte 10: text is needed between {protocol} and {rest}",
		"{protocol}/{mm}/{rest}":      "byte 11: {mm} means nothing without {yyyy}",
		"{protocol}/{yyyy}/{hh}":      "byte 18: {hh} means nothing without {dd}",
		"{protocol}/{yyyy}/{dd}/{hh}": "byte 18: {dd} means nothing without {mm}",
	} {
		_, err := archive.ParseLayout(layout)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseLayout(%q) = %v, want an error with %q", layout, err, want)
		}
	}
}

func TestLayoutMatch(t *testing.T) {
	t.Parallel()
	const stamp = "2006-01-02T15"
	for _, tt := range []struct {
		layout, key string
		protocol    string // "" is no match
		from, until string
	}{
		{layout: "{protocol}/{rest}", key: "dns/a.gz", protocol: "dns"},
		{layout: "{protocol}/{rest}", key: "dns/2024/01/a.gz", protocol: "dns"},
		{layout: "{protocol}/{rest}", key: "dns/a\nb", protocol: "dns"},
		{layout: "{protocol}/{rest}", key: "dns/"},
		{layout: "{protocol}/{rest}", key: "dns"},
		{layout: "{protocol}/{rest}", key: "/a"},
		{layout: "{protocol}/{rest}", key: ""},
		{layout: "{rest}/{protocol}.gz", key: "2024/01/dns.gz", protocol: "dns"},
		{layout: "{protocol}-{rest}", key: "a-b-c", protocol: "a"},
		{layout: "a.b/{protocol}", key: "aXb/dns"},
		{layout: "a.b/{protocol}", key: "a.b/dns", protocol: "dns"},
		{layout: "year={yyyy}/{protocol}/{rest}", key: "year=2024/ssl/x", protocol: "ssl", from: "2024-01-01T00", until: "2025-01-01T00"},
		{layout: "{protocol}/{yyyy}/{mm}/{rest}", key: "dns/2024/12/x", protocol: "dns", from: "2024-12-01T00", until: "2025-01-01T00"},
		{layout: "{protocol}/{yyyy}/{mm}/{dd}/{rest}", key: "dns/2024/02/29/x", protocol: "dns", from: "2024-02-29T00", until: "2024-03-01T00"},
		{layout: "{protocol}/{yyyy}/{mm}/{dd}/{rest}", key: "dns/2023/02/29/x"},
		{layout: "{protocol}/{yyyy}/{mm}/{dd}/{rest}", key: "dns/2024/13/01/x"},
		{layout: "{protocol}/{yyyy}/{mm}/{dd}/{rest}", key: "dns/2024/00/01/x"},
		{layout: "{protocol}/{yyyy}/{mm}/{dd}/{rest}", key: "dns/24/01/01/x"},
		{layout: "{hh}/{protocol}.{yyyy}{mm}{dd}", key: "23/dns.20240229", protocol: "dns", from: "2024-02-29T23", until: "2024-03-01T00"},
		{layout: "{hh}/{protocol}.{yyyy}{mm}{dd}", key: "24/dns.20240229"},
		{layout: "{protocol}{yyyy}/{rest}", key: "dns2024/x", protocol: "dns", from: "2024-01-01T00", until: "2025-01-01T00"},
	} {
		l, err := archive.ParseLayout(tt.layout)
		if err != nil {
			t.Fatal(err)
		}
		m, ok := l.Match(tt.key)
		if ok != (tt.protocol != "") || m.Protocol != tt.protocol {
			t.Errorf("%s: Match(%q) = %+v, %t", tt.layout, tt.key, m, ok)
			continue
		}
		show := func(at time.Time) string {
			if at.IsZero() {
				return ""
			}
			return at.Format(stamp)
		}
		if show(m.From) != tt.from || show(m.Until) != tt.until {
			t.Errorf("%s: Match(%q) = [%v, %v)", tt.layout, tt.key, m.From, m.Until)
		}
		if l.String() != tt.layout {
			t.Errorf("String() = %q", l)
		}
	}
}

func FuzzLayout(f *testing.F) {
	f.Add("{protocol}/{rest}", "dns/a.gz")
	f.Add("{protocol}/{yyyy}/{mm}/{dd}/{hh}/{rest}", "dns/2024/02/29/23/x")
	f.Add("year={yyyy}/{protocol}-{rest}", "year=2024/a-b")
	f.Add("{protocol}{", "\xff")
	f.Add("(.*){protocol}\\", "(.*)a\\")
	f.Fuzz(func(t *testing.T, layout, key string) {
		l, err := archive.ParseLayout(layout)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "layout ") {
				t.Errorf("an error that shows no place: %v", err)
			}
			return
		}
		if m, ok := l.Match(key); ok {
			if m.Protocol == "" || strings.Contains(m.Protocol, "/") || !strings.Contains(key, m.Protocol) {
				t.Errorf("%q: Match(%q) = %+v", layout, key, m)
			}
			if m.From.IsZero() != m.Until.IsZero() || m.Until.Before(m.From) {
				t.Errorf("%q: Match(%q) = %+v", layout, key, m)
			}
		}
		// A key made from the layout itself always fits.
		made := strings.NewReplacer("{protocol}", "p", "{yyyy}", "2024", "{mm}", "02", "{dd}", "29", "{hh}", "23",
			"{rest}", "r/s").Replace(layout)
		if _, ok := l.Match(made); !ok {
			t.Errorf("%q does not fit %q", made, layout)
		}
	})
}

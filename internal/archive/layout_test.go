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

func TestLayoutKey(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 7, 23, 59, 0, 0, time.FixedZone("", -3600)) // 2026-03-08 00:59 UTC
	for _, tt := range []struct{ layout, protocol, key, err string }{
		{layout: "{protocol}/{rest}", protocol: "dns", key: "dns/REST"},
		{layout: "{protocol}/{yyyy}/{mm}/{dd}/{hh}/{rest}", protocol: "dns", key: "dns/2026/03/08/00/REST"},
		{layout: "year={yyyy}/{protocol}-{rest}.log", protocol: "a.b", key: "year=2026/a.b-REST.log"},
		{layout: "{rest}/{protocol}.gz", protocol: "dns", key: "REST/dns.gz"},
		{layout: "x{protocol}{yyyy}{rest}", protocol: "dns", key: "xdns2026REST"},
		{layout: "{protocol}/{yyyy}", protocol: "dns", err: "has no {rest}"},
		{layout: "{protocol}-{rest}", protocol: "a-b", err: `would be read as one of "a"`},
		{layout: "{protocol}/{rest}", protocol: "a/b", err: `would be read as one of "a"`},
		{layout: "{protocol}{yyyy}{rest}", protocol: "dns2025", err: `would be read as one of "dns"`},
		{layout: "{protocol}/{rest}", protocol: "", err: "does not fit"},
	} {
		l, err := archive.ParseLayout(tt.layout)
		if err != nil {
			t.Fatal(err)
		}
		key, err := l.Key(tt.protocol, at, "REST")
		if key != tt.key || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("Key of %q under %s is %q, %v, want %q, %q", tt.protocol, tt.layout, key, err, tt.key, tt.err)
		}
	}
	l, err := archive.ParseLayout("{protocol}/{rest}")
	if err != nil {
		t.Fatal(err)
	}
	if key, err := l.Key("dns", at, ""); err == nil {
		t.Errorf("without a rest the key is %q", key)
	}
}

func TestObjectName(t *testing.T) {
	t.Parallel()
	const id = "01KE6V1Z8W3M5N7P9QRSTVWXYZ"
	name := archive.ObjectName(12, id)
	if name != "e12-"+id+".ndjson.gz" {
		t.Errorf("%q", name)
	}
	at := time.Date(2026, 3, 7, 1, 0, 0, 0, time.UTC)
	for _, layout := range []string{
		"{protocol}/{rest}", "{protocol}/{yyyy}/{mm}/{dd}/{hh}/{rest}", "{protocol}-{rest}", "{rest}/{protocol}", "{rest}.{protocol}.gz",
		"log{rest}e7/{protocol}", "e9-{protocol}/{rest}", "{protocol}/{yyyy}{rest}.gz",
	} {
		l, err := archive.ParseLayout(layout)
		if err != nil {
			t.Fatal(err)
		}
		for _, protocol := range []string{"dns", "e3", "e\n4"} {
			key, err := l.Key(protocol, at, name)
			if err != nil {
				t.Fatal(err)
			}
			if epoch, ok := archive.EpochOf("logs/e5/" + key); !ok || epoch != 12 {
				t.Errorf("epoch of %q: %d, %t", key, epoch, ok)
			}
		}
	}
	for _, epoch := range []int64{1, 9, 999999999999999999} {
		if got, ok := archive.EpochOf("dns/" + archive.ObjectName(epoch, id)); !ok || got != epoch {
			t.Errorf("epoch %d is read as %d, %t", epoch, got, ok)
		}
	}
	for _, key := range []string{
		"", "dns/a.gz", "dns/e5.ndjson.gz", "dns/e5-x.ndjson.gz", "dns/e0-" + id + ".ndjson.gz", "dns/e05-" + id + ".ndjson.gz",
		"dns/e5-" + id + ".ndjson", "dns/e5-" + id[1:] + ".ndjson.gz", "dns/e5-" + strings.ToLower(id) + ".ndjson.gz", "dns/e5-8" + id[1:] + ".ndjson.gz",
		"dns/e-5-" + id + ".ndjson.gz", "dns/e9999999999999999999-" + id + ".ndjson.gz", "dns/e5-" + id + "0.ndjson.gz",
	} {
		if epoch, ok := archive.EpochOf(key); ok {
			t.Errorf("%q is read as one of ours, of epoch %d", key, epoch)
		}
	}
}

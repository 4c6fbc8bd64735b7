package logline

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// sameTimes reads texts one after the other with one reader, and each alone.
func sameTimes(t *testing.T, layout string, texts ...string) {
	t.Helper()
	r, err := NewTimeReader(layout)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewTimeParser(layout)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		for _, kind := range []Kind{Null, Number, Text} { // the text last, so that the next one follows it
			v := Value{Kind: kind, Text: []byte(text)}
			got, gotErr := r.Parse(v)
			want, wantErr := p.Parse(v)
			if got != want || !errors.Is(gotErr, wantErr) {
				t.Fatalf("%s after %q: %+v %v, alone %+v %v", text, texts[:i], got, gotErr, want, wantErr)
			}
		}
	}
}

func TestTimeReader(t *testing.T) {
	t.Parallel()
	const at = "2018-03-24T17:15:23"
	var texts []string
	for _, text := range []string{
		at + "Z", at + ".5Z", at + ".533701Z", at + ".53370199Z", at + ".533701999Z", at + ".5337019999Z", at + ".Z", at + "z", at + "+00:00",
		at + "-01:30", at + ".5", at, at + "Z ", at + ".5Z0Z", "2018-03-24T17:15:60Z", "2018-03-24T17:15:59.999999Z", "2018-03-24T17:15:2/Z",
		"2018-03-24T17:15:/2Z", "2018-03-24T17:15-23Z", "2018-03-24t17:15:23Z", "2018-03-24T17:16:23Z", "2016-12-31T23:59:60Z",
		"2016-12-31T23:59:59Z", "1969-12-31T23:59:59.25Z", "1677-09-21T00:12:43.145224192Z", "1677-09-21T00:12:00Z",
		"2262-04-11T23:47:16.854775807Z", "2262-04-11T23:47:17Z", "2018-03-24T17:15:23,5Z", "2018-03-24T17:15:23.5:3Z", "",
	} {
		texts = append(texts, at+".1Z", text, text)
	}
	sameTimes(t, "", texts...)
	sameTimes(t, "", "1677-09-21T00:12:43.145224192Z", "1677-09-21T00:12:00Z", "1677-09-21T00:12:50Z")
	sameTimes(t, "", "2262-04-11T23:47:16Z", "2262-04-11T23:47:17Z", "2262-04-11T23:47:16.854775808Z")
	sameTimes(t, "", "2016-12-31T23:59:60.5Z", "2016-12-31T23:59:59.5Z", "2016-12-31T23:59:60Z")
	texts = nil
	for _, text := range []string{
		"10/Oct/2000:13:55:36 -0700", "10/Oct/2000:13:55:59 -0700", "10/Oct/2000:13:55:60 -0700", "10/Oct/2000:13:55:0x -0700",
		"10/Oct/2000:13:56:36 -0700", "10/Oct/2000:13:55:36 -0800", "10/Oct/2000:13:55:36 +0730", "10/Oct/2000:13:55 36 -0700", "31/Dec/2016:23:59:60 +0000", "",
	} {
		texts = append(texts, "10/Oct/2000:13:55:01 -0700", text, text)
	}
	sameTimes(t, layoutCLF, texts...)
	for _, layout := range []string{layoutUnix, layoutUnixMS, "2006-01-02 15:04:05.000"} {
		sameTimes(t, layout, "1521911723.533701", "1521911723.533702", "2018-03-24 17:15:23.533", "2018-03-24 17:15:24.533", "x")
	}
}

// TestTimeReaderChanges changes bytes of texts that were read.
func TestTimeReaderChanges(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // test data
	for layout, text := range map[string]string{"": "2018-03-24T17:15:23.533701Z", layoutCLF: "10/Oct/2000:13:55:36 -0700"} {
		for range 20_000 {
			b := []byte(text)
			for range 1 + r.IntN(3) {
				b[r.IntN(len(b))] = "0123456789:.-+TZ /"[r.IntN(18)]
			}
			other := string(b)
			if r.IntN(4) == 0 {
				other = fmt.Sprintf("%s%d%s", text[:20], r.IntN(1_000_000), text[len(text)-1:])
			}
			sameTimes(t, layout, text, other, text)
		}
	}
}

// Seconds in their usual form are what exact arithmetic makes of them, and with bytes changed, too.
func TestPlainSeconds(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(2, 1)) //nolint:gosec // test data
	for range 20_000 {
		text := fmt.Sprintf("%010d.%09d", r.Int64N(10_000_000_000), r.IntN(1_000_000_000))[:10+r.IntN(11)]
		checkDecimal(t, text, 0)
		if got, err := parseDecimal([]byte(text), 0); err == nil && int(got.Digits) != max(len(text)-11, 0) {
			t.Fatalf("%s: %d digits", text, got.Digits)
		}
		b := []byte(text)
		b[r.IntN(len(b))] = "0123456789:.-+e/"[r.IntN(16)]
		checkDecimal(t, string(b), 0)
	}
}

package logline

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// afterOthers parses the last of several lines with a parser that has read the others, and holds verdict and values
// against those of one that has not.
func afterOthers(t *testing.T, lines ...string) {
	t.Helper()
	p, err := NewParser(Format{Name: "json"}, compared())
	if err != nil {
		t.Fatal(err)
	}
	values := make([]Value, len(compared()))
	for n, line := range lines {
		got := p.Parse(1, []byte(line), values)
		fresh, err := NewParser(Format{Name: "json"}, compared())
		if err != nil {
			t.Fatal(err)
		}
		want := make([]Value, len(values))
		wanted := fresh.Parse(1, []byte(line), want)
		if !errors.Is(got, wanted) {
			t.Fatalf("%q: %v, alone %v", lines[:n+1], got, wanted)
		}
		if got == nil && show(values) != show(want) {
			t.Fatalf("%q:\n got %s\nwant %s", lines[:n+1], show(values), show(want))
		}
	}
}

// FuzzJSONAfter holds that a line means the same whatever line came before it.
func FuzzJSONAfter(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"a":1,"b":"x"}`, `{"a":12,"b":"xy"}`}, {`{"a":1,"b":"x"}`, `{"a":1}`}, {`{"a":1}`, `{"a":1,"b":"x"}`},
		{`{"a":"x\"y","b":2}`, `{"a":"x\","b":2}`}, {`{"a":"x","b":[1]}`, `{"a":"x" ,"b":[1] }`}, {`{"a":"x"}`, `{"a":"x"`},
		{`{"x":1,"y":2,"a":3,"b":{"c":4}}`, `{"x":1,"a":3,"b":{"c":5}}`}, {`{ "a" : 1 , "b" : 2 }`, `{ "a" : 1 , "b" : 3 }x`},
		{"{\"a\":\"x\xff\",\"b\":0}", "{\"a\":\"x\xff\",\"b\":1}"}, {`{"a":true,"a":null}`, `{"a":true,"a":tru}`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, before, line string) {
		afterOthers(t, before, line)
		afterOthers(t, line, before, line)
		compareJSON(t, []byte(line))
	})
}

// TestJSONAfterOthers reads lines that are made from the ones before by small changes, many of which break them.
func TestJSONAfterOthers(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // test data
		lines := make([]string, 30)
		line := makeObject(r)
		for i := range lines {
			line = change(r, line)
			lines[i] = line
			compareJSON(t, []byte(line))
			if r.IntN(10) == 0 || line == "" {
				line = makeObject(r)
			}
		}
		afterOthers(t, lines...)
	}
}

// pieces are what lines of the test above are made of.
func pieces() []string {
	return []string{
		`"x"`, `""`, `"id.orig_h"`, `1`, `12`, `-0.5e3`, `true`, `null`, `"a\"b"`, `"\u00e9"`, "\"\xff\"", "\"é\"", `[]`, `["x",1]`,
		`{"orig_h":"y"}`, `{"c":{"d":[2]}}`, `{}`, ` 3 `, `"a longer text that takes several words"`, `"a longer text that takes other words"`,
	}
}

func makeObject(r *rand.Rand) string {
	members := make([]string, r.IntN(12))
	for i := range members {
		key := append(compared(), "x", "y", "z", `\u0061`, "a key that is long enough")[r.IntN(len(compared())+5)]
		members[i] = `"` + key + `":` + pieces()[r.IntN(len(pieces()))]
	}
	return "{" + strings.Join(members, ",") + "}"
}

// change replaces, drops or doubles a stretch of the line: a byte, or from one comma, colon or quote to another.
func change(r *rand.Rand, line string) string {
	var cuts []int
	for i := range len(line) {
		if strings.IndexByte(`,:"{}`, line[i]) >= 0 {
			cuts = append(cuts, i)
		}
	}
	if len(cuts) < 2 || r.IntN(8) == 0 {
		return line
	}
	n := r.IntN(len(cuts) - 1)
	from, to := cuts[n], cuts[min(n+1+r.IntN(3), len(cuts)-1)]
	switch r.IntN(9) {
	case 0:
		return line[:from] + line[to:]
	case 1:
		return line[:to] + line[from:]
	case 2:
		return line[:from] + " " + line[from:]
	case 3:
		at := r.IntN(len(line))
		return line[:at] + string(rune("0a\"\\ ,}\x00"[r.IntN(8)])) + line[at+1:]
	case 4:
		return line[:r.IntN(len(line))]
	case 5:
		return strings.Replace(line, `,"`, `,"y":`+pieces()[r.IntN(len(pieces()))]+`,"`, 1)
	}
	// The value after a colon, as if another line of the same kind.
	if colon := strings.IndexByte(line[from:], ':'); colon >= 0 {
		colon += from
		if end := strings.IndexAny(line[colon:], ",}"); end >= 0 {
			return line[:colon+1] + pieces()[r.IntN(len(pieces()))] + line[colon+end:]
		}
	}
	return line
}

// Lines beyond what is remembered are read as any other, and so are those after them.
func TestJSONAfterLarge(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"k%d":%d,`, i, i)
		}
		return "{" + b.String() + `"a":"x","b":{"c":1}}`
	}
	long := func(n int) string { return `{"a":"` + strings.Repeat("x", n) + `","b":2}` }
	for _, n := range []int{maxMembers - 3, maxMembers - 2, maxMembers - 1, maxMembers, maxMembers + 1, 3 * maxMembers} {
		afterOthers(t, many(n), many(n), many(3), many(n), many(n+1), many(n-1))
	}
	for _, n := range []int{maxLast - 20, maxLast - 13, maxLast, 2 * maxLast} {
		afterOthers(t, long(n), long(n), long(n+1), long(3), long(n))
	}
	p, err := NewParser(Format{Name: "json"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{many(3), many(10_000), long(1 << 20), many(20_000)} {
		if err := p.Parse(1, []byte(line), nil); err != nil {
			t.Fatal(err)
		}
		last := p.reader.(*jsonReader).last
		if len(last.text) > maxLast || len(last.members) > maxMembers || cap(last.members) > 4*maxMembers {
			t.Fatalf("%d bytes and %d members of %d are remembered", len(last.text), len(last.members), cap(last.members))
		}
	}
}

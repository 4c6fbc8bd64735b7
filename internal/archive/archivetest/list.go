package archivetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// awkward keys: neighbours of '/' in byte order, case, spaces, characters that URLs and shells care about, Unicode
// in and beyond the basic plane (where UTF-16 would sort differently).
var awkward = []string{
	"a-b", "a.b", "a/b", "a0b", "a/b.c", "a/b-c/d", "a!/x", "a0/x", "a", "A/b", "b/a/c", "b/a-/c", "b/a./c", "b/a0",
	"dns/a b.gz", "dns/a+b.gz", "dns/a%2Fb.gz", "dns/a&b=c?d#e.gz", "dns/'quoted\"`$(x);|<>*.gz", "dns/…/größe.gz",
	"dns/\uff5e", "dns/\U0001f600", "dns/ü", "dns/u\u0308", "dns/~", "dns/ ", "dns/a\\b", "dns/.hidden", "dns/..x", "dns/x..",
}

// keysFor leaves out what a store cannot hold.
func keysFor(h Harness) []string {
	if h.KeyBesideFolder {
		return awkward
	}
	return slices.DeleteFunc(slices.Clone(awkward), func(k string) bool { return k == "a" })
}

func testListOrder(t *testing.T, h Harness) {
	s := h.New(t)
	if got := list(t, s, "", ""); len(got) != 0 {
		t.Errorf("a new archive lists %q", got)
	}
	keys := keysFor(h)
	put(t, s, keys...)
	if got, want := list(t, s, "", ""), within(keys, "", ""); !slices.Equal(got, want) {
		t.Errorf("listed\n%q, want\n%q", got, want)
	}
}

// Every prefix with every place to continue, keys that exist and keys that do not.
func testListRange(t *testing.T, h Harness) {
	s := h.New(t)
	keys := keysFor(h)
	put(t, s, keys...)
	var prefixes, afters []string
	for _, k := range keys {
		prefixes = append(prefixes, k, k[:len(k)/2], k+"x")
		if i := strings.IndexByte(k, '/'); i >= 0 {
			prefixes = append(prefixes, k[:i], k[:i+1])
		}
		afters = append(afters, k, k+"\x01", k[:len(k)-1], k+"/z")
	}
	prefixes = append(prefixes, "", "/", "none/", "a//", "../")
	afters = append(afters, "", "/", "dns", "dns/", "dns0", "zzz", "\U0010ffff")
	slices.Sort(prefixes)
	slices.Sort(afters)
	prefixes, afters = slices.Compact(prefixes), slices.Compact(afters)
	step := max(1, len(prefixes)*len(afters)/1000) // against a server each listing is a call
	for i := 0; i < len(prefixes)*len(afters); i += step {
		prefix, after := prefixes[i%len(prefixes)], afters[i/len(prefixes)]
		if got, want := list(t, s, prefix, after), within(keys, prefix, after); !slices.Equal(got, want) {
			t.Errorf("List(%q, %q)\n%q, want\n%q", prefix, after, got, want)
		}
	}
	s.Delete(t, "dns/a b.gz")
	keys = slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return k == "dns/a b.gz" })
	if got, want := list(t, s, "dns/", "dns/a b.gz"), within(keys, "dns/", "dns/a b.gz"); !slices.Equal(got, want) {
		t.Errorf("after a deleted key\n%q, want\n%q", got, want)
	}
}

func testListEarlyStop(t *testing.T, h Harness) {
	s := h.New(t)
	put(t, s, "a/1", "a/2", "b/1")
	for range 3 {
		for o, err := range s.List(t.Context(), "", "") {
			if err != nil || o.Key != "a/1" {
				t.Fatalf("%+v, %v", o, err)
			}
			break
		}
	}
}

// More objects than a page of any service, taken up again after every so many.
func testListMany(t *testing.T, h Harness) {
	s := h.New(t)
	var keys []string
	for i := range h.Many {
		keys = append(keys, fmt.Sprintf("p%d/%d.log", i%7, i))
	}
	put(t, s, keys...)
	want := within(keys, "", "")
	var got []string
	for after := ""; ; after = got[len(got)-1] {
		n := 0
		for o, err := range s.List(t.Context(), "", after) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, o.Key)
			if n++; n == 1+h.Many/3 {
				break
			}
		}
		if n == 0 {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d keys in pieces, want %d", len(got), len(want))
	}
	if got, want := list(t, s, "p3/", ""), within(keys, "p3/", ""); !slices.Equal(got, want) {
		t.Errorf("%d keys below p3/, want %d", len(got), len(want))
	}
}

func testListStat(t *testing.T, h Harness) {
	s := h.New(t)
	put(t, s, keysFor(h)...)
	for o, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		got := stat(t, s, o.Key)
		if got.Key != o.Key || got.Size != o.Size || got.ETag != o.ETag || o.Size != int64(len(o.Key)) || o.ETag == "" || o.Modified.IsZero() {
			t.Errorf("listed %+v, Stat %+v", o, got)
		}
	}
}

// Keys as long as they may be, in pieces that a directory can hold.
func testKeys(t *testing.T, h Harness) {
	s := h.New(t)
	piece := strings.Repeat("k", 203) + "/"
	keys := append(keysFor(h), strings.Repeat(piece, 5)+"last", strings.Repeat("ü/", 341)+"a")
	put(t, s, keys...)
	for _, k := range keys {
		if len(k) > 1024 {
			t.Fatalf("a key of %d bytes", len(k))
		}
		if err := s.MergeTags(t.Context(), k, map[string]string{"k": "v"}, nil); err != nil {
			t.Error(err)
		}
		if tags, err := s.Tags(t.Context(), k); err != nil || tags["k"] != "v" {
			t.Errorf("%q: tags %v, %v", k, tags, err)
		}
		if got := readAll(t, s, params(stat(t, s, k))); string(got) != k {
			t.Errorf("%q holds %q", k, got)
		}
	}
	if got, want := list(t, s, "", ""), within(keys, "", ""); !slices.Equal(got, want) {
		t.Errorf("listed\n%q, want\n%q", got, want)
	}
}

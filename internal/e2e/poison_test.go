package e2e_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
)

// TestPoison: each kind of object that cannot be replayed fails with its own reason and keeps none of the others from
// being finished; what it had counted before is left out.
func TestPoison(t *testing.T) {
	t.Parallel()
	s := newSite(t, "", "", strings.Replace(smallProtocols, "timestamp: ts", "timestamp: ts\n    rejects: fail_above 0.5", 1))
	good := []byte(smallLog)
	whole := codings()[1].encode(t, [][]byte{good})
	zstd := codings()[3].encode(t, [][]byte{good})
	zstd[len(zstd)/2] ^= 0xff
	for key, content := range map[string][]byte{
		"good.log": good, "good.log.gz": whole, "changed.log": good, "missing.log": good,
		"cut.log.gz": whole[:len(whole)-3], "flipped.log.zst": zstd, "bad.log": []byte("a\nb\n" + smallLog[:90] + "\n"),
		"junk.log.gz": slices.Concat(whole, []byte("something else")),
	} {
		s.put("logs/shop/"+key, content)
	}
	id := s.start("--cutoff", smallCutoff)
	s.put("logs/shop/changed.log", slices.Concat(good, good))
	if err := os.Remove(filepath.Join(s.archive, "logs", "shop", "missing.log")); err != nil {
		t.Fatal(err)
	}
	if r := s.run("run", "--once"); r.code != check || !strings.Contains(r.err, id) {
		t.Fatalf("run --once: exit code %d\n%s", r.code, r.err)
	}

	want := map[string]string{
		"bad.log": "bad lines", "changed.log": "changed", "cut.log.gz": "line", "flipped.log.zst": "corrupt", "junk.log.gz": "corrupt", "missing.log": "no",
	}
	var keys []string
	for _, o := range s.objects("--state", "failed") {
		name := strings.TrimPrefix(o.Key, "logs/shop/")
		keys = append(keys, name)
		if !strings.Contains(o.Error, want[name]) || !strings.Contains(o.Error, o.Key) && name != "bad.log" {
			t.Errorf("%s failed with the reason %q", name, o.Error)
		}
		t.Logf("%s: %s", name, o.Error)
	}
	if slices.Sort(keys); !slices.Equal(keys, slices.Sorted(maps.Keys(want))) {
		t.Errorf("failed are %q", keys)
	}
	if st := s.status(); st.DeadLetters != int64(len(want)) || st.Objects.Finished != 2 || st.Lines.Counted != 10 {
		t.Errorf("%+v", st)
	}
	text := s.must("objects", "--state", "failed")
	if n := strings.Count(text, "\n"); n != len(want) || strings.Contains(text, "good") {
		t.Errorf("objects --state failed prints:\n%s", text)
	}

	s.acceptFailed()
	s.must("run", "--once")
	c := s.certified()
	if o := c.Objects; o.Listed != 8 || o.Finished != 2 || o.LeftOut != int64(len(want)) || c.Lines.Counted != 10 {
		t.Errorf("%+v, %+v", o, c.Lines)
	}
	if out := s.must("certify"); strings.Count(out, "left out: ") != len(want) || !strings.Contains(out, "accepted by") {
		t.Errorf("the certificate says:\n%s", out)
	}
	rows := parseCSV(t, s.must("stats", "shop", "orders", "--csv")).rows
	if len(rows) != 4 || rows[2][2] != "4" || rows[2][3] != "18014398509481988" {
		t.Errorf("%q", rows)
	}
}

// TestTags: the tags of an object mirror its state while the replay is open, beside those of other people, and are gone
// at the end, those of other people excepted.
func TestTags(t *testing.T) {
	t.Parallel()
	s := smallSite(t)
	s.put("logs/shop/2.log.gz", []byte{0x1f, 0x8b, 8, 0})
	s.start("--cutoff", smallCutoff)
	a, err := dirarchive.New(t.Context(), dirarchive.Options{Root: s.archive, Tags: filepath.Join(s.dir, "state", "tags.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	expect := func(key, state, line string) {
		t.Helper()
		tags, err := a.Tags(t.Context(), "logs/shop/"+key)
		if err != nil {
			t.Fatal(err)
		}
		changed := tags["STATE_CHANGE"]
		delete(tags, "STATE_CHANGE")
		want := map[string]string{"team": "sales"}
		if state != "" {
			want["REPLAY"], want["REPLAY_LINE"] = state, line
			if at, err := time.Parse(time.RFC3339, changed); err != nil || time.Since(at) > time.Hour {
				t.Errorf("STATE_CHANGE of %s is %q", key, changed)
			}
		} else if changed != "" {
			t.Errorf("%s keeps STATE_CHANGE", key)
		}
		if key != "1.log" {
			delete(want, "team")
		}
		if !maps.Equal(tags, want) {
			t.Errorf("%s has the tags %v, want %v", key, tags, want)
		}
	}
	if err := a.MergeTags(t.Context(), "logs/shop/1.log", map[string]string{"team": "sales"}, nil); err != nil {
		t.Fatal(err)
	}
	expect("1.log", "PENDING", "0")
	expect("2.log.gz", "PENDING", "0")
	if r := s.run("run", "--once"); r.code != check {
		t.Errorf("run --once: exit code %d", r.code)
	}
	expect("1.log", "FINISHED", "8")
	expect("2.log.gz", "FAILED", "0")
	s.acceptFailed()
	s.must("run", "--once")
	expect("1.log", "", "")
	expect("2.log.gz", "", "")
}

package e2e_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// reuseProtocols are two protocols; %s is a condition of the first one's statistic.
const reuseProtocols = `
  web:
    format: json
    timestamp: ts
    stats:
      hits:
        %s
        by: [path]
        measures: {hits: count, bytes: sum(bytes)}
  mail:
    format: json
    timestamp: ts
    stats:
      letters:
        by: [path]
        measures: {letters: count, bytes: sum(bytes)}
`

// hits counts the lines that it makes: by key of the object, by path.
type hits map[string]map[string][2]int64

// object makes an object of so many lines, of paths below one of so many.
func (h hits) object(s *site, key string, lines int, path func(int) string) {
	s.t.Helper()
	var b bytes.Buffer
	h[key] = map[string][2]int64{}
	for i := range lines {
		p, size := path(i), int64(i*31%977)
		fmt.Fprintf(&b, `{"ts":"2026-03-01T10:00:00Z","path":%q,"bytes":%d}`+"\n", p, size)
		sum := h[key][p]
		h[key][p] = [2]int64{sum[0] + 1, sum[1] + size}
	}
	s.put(key, b.Bytes())
}

// table is what a protocol's objects come to, of the paths that are wanted.
func (h hits) table(protocol, measure string, wanted func(path string) bool) table {
	sums := map[string][2]int64{}
	for key, paths := range h {
		for p, n := range paths {
			if strings.HasPrefix(key, "logs/"+protocol+"/") && wanted(p) {
				sums[p] = [2]int64{sums[p][0] + n[0], sums[p][1] + n[1]}
			}
		}
	}
	t := table{columns: []string{"path", measure, "bytes"}}
	for _, p := range slices.Sorted(maps.Keys(sums)) {
		t.rows = append(t.rows, []string{p, strconv.FormatInt(sums[p][0], 10), strconv.FormatInt(sums[p][1], 10)})
	}
	return t
}

func anyPath(string) bool { return true }

// toRead are the keys of the objects that a replay which nobody works on has to read, and asks whether as many messages
// wait.
func (s *site) toRead() (keys []string) {
	s.t.Helper()
	for _, o := range s.objects("--state", "pending") {
		keys = append(keys, o.Key)
	}
	if st := s.status(); st.Queue.Visible != int64(len(keys)) || st.Objects.Finished != st.Objects.Listed-int64(len(keys)) {
		s.t.Errorf("%+v: want a message for each of %d objects, and all others finished", st, len(keys))
	}
	slices.Sort(keys)
	return keys
}

// TestReuse replays an archive of a thousand objects again after one of them has changed, then after a definition has.
func TestReuse(t *testing.T) {
	t.Parallel()
	testReuse(t, newSite(t, "", "", fmt.Sprintf(reuseProtocols, "")), 1000)
}

func TestReuseOnAWS(t *testing.T) {
	t.Parallel()
	testReuse(t, newCloudSite(t, "visibility_timeout: 20s, reserve: 5s", fmt.Sprintf(reuseProtocols, ""), nil), 60)
}

func testReuse(t *testing.T, s *site, objects int) {
	h := hits{}
	for i := range objects {
		h.object(s, fmt.Sprintf("logs/web/%04d.log", i), 20, func(line int) string { return fmt.Sprintf("/%d", (i+line)%50) })
	}
	for i := range 5 {
		h.object(s, fmt.Sprintf("logs/mail/%d.log", i), 3, strconv.Itoa)
	}
	random := rand.New(rand.NewPCG(5, 6)) // too much for a cursor: it is sealed
	h.object(s, "logs/web/large.log", 8000, func(int) string { return fmt.Sprintf("/%016x%016x", random.Uint64(), random.Uint64()) })
	compare := func(what string, wanted func(string) bool, args ...string) {
		t.Helper()
		equal(t, what, parseCSV(t, s.must(append([]string{"stats", "web", "hits", "--csv"}, args...)...)), h.table("web", "hits", wanted), nil)
		equal(t, what, parseCSV(t, s.must(append([]string{"stats", "mail", "letters", "--csv"}, args...)...)), h.table("mail", "letters", anyPath), nil)
	}

	first := s.start()
	s.must("run", "--once")
	compare("from nothing", anyPath)

	// One object has changed.
	const changed = "logs/web/0007.log"
	h.object(s, changed, 30, func(line int) string { return fmt.Sprintf("/new/%d", line%4) })
	s.call(call{"start --dry-run --reuse " + first, exit(done), []string{"taken over", fmt.Sprintf("%d", objects)}, []string{"left out"}})
	s.call(call{"plan --reuse " + first, exit(done), []string{"taken over", "1 of 1", "0 of 0"},
		[]string{"web: all that is not taken over was read", "mail: all of it would be taken over"}})
	r := s.run("start", "--reuse", first)
	if said := fmt.Sprintf("%d of %d objects", objects+5, objects+6); r.code != done || !strings.Contains(r.err, said) || !strings.Contains(r.err, "are taken over from "+first) {
		t.Fatalf("start: exit code %d, %q, %q, want %q", r.code, r.out, r.err, said)
	}
	second := strings.TrimSpace(r.out)
	if keys := s.toRead(); !slices.Equal(keys, []string{changed}) {
		t.Errorf("%q are to be read", keys)
	}
	s.call(call{"status", exit(done), []string{fmt.Sprintf("%d of the finished were taken over from %s", objects+5, first)}, nil})
	s.call(call{"list", exit(done), []string{fmt.Sprint(objects + 5), "taken over"}, nil})
	s.call(call{"objects --state finished", exit(done), []string{"logs/web/0008.log  (taken over)"}, nil})
	s.must("run", "--once")
	compare("one has changed", anyPath)
	if c := s.certified(); c.Lines.Read != int64(20*objects+10+15+8000) || c.Objects.Finished != int64(objects+6) {
		t.Errorf("certificate %+v", c)
	}
	s.start()
	s.must("run", "--once")
	compare("from nothing again", anyPath)

	// The definition of one protocol has changed: all of its objects are read, and none of the other's.
	protocols := fmt.Sprintf(reuseProtocols, `where: path != "/3"`)
	s.configure("", protocols)
	s.start("--reuse", second)
	if keys := s.toRead(); len(keys) != objects+1 || !strings.HasPrefix(keys[0], "logs/web/") {
		t.Errorf("%d objects are to be read: %q", len(keys), keys)
	}
	s.must("run", "--once")
	compare("another definition", func(p string) bool { return p != "/3" })

	// One protocol of two, from a replay that has itself taken it over: nothing is to be read, and nobody need do anything.
	s.start("--protocol", "mail", "--reuse", second)
	if keys := s.toRead(); len(keys) > 0 {
		t.Errorf("%q are to be read", keys)
	}
	s.must("run", "--once")
	compare("of one protocol", func(p string) bool { return p != "/3" })
	s.call(call{"start --reuse nope", exit(usage), nil, []string{"there is no replay nope", "reprise list"}})
	s.call(call{"plan --reuse nope", exit(usage), nil, []string{"there is no replay nope", "reprise list"}})
	s.call(call{"start --dry-run --reuse nope", exit(usage), nil, []string{"there is no replay nope"}})
	checkTags(s)
}

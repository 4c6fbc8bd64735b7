package config

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
)

var update = flag.Bool("update", false, "write the golden files")

// ignoreSource leaves out where the keys stand.
var ignoreSource = cmpopts.IgnoreUnexported(Config{})

const minimal = `protocols:
  dns:
    format: json
    timestamp: ts
    stats:
      queries:
        measures: {queries: count}
`

// Each testdata/errors/NAME.yaml gives the text in NAME.txt.
func TestErrors(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = parse("reprise.yaml", text, nil)
			if err == nil {
				t.Fatal("it loads")
			}
			if _, ok := errors.AsType[Errors](err); !ok {
				t.Errorf("is a %T", err)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-want +got; -update writes it):\n%s", file, d)
	}
}

func TestSampleLoads(t *testing.T) {
	t.Parallel()
	c, err := parse("reprise.yaml", []byte(Sample()), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Local.Archive = filepath.Join(".reprise", "archive")
	want.Worker.ChunkTime = want.Worker.VisibilityTimeout
	want.Watcher = Watcher{Interval: 500 * time.Millisecond, StuckAfter: 10 * time.Second}
	want.Protocol = c.Protocol
	if d := cmp.Diff(want, c, ignoreSource); d != "" {
		t.Errorf("the sample does not show the defaults:\n%s", d)
	}
	d := c.Definition("dns")
	if len(d.Stats) != 2 || d.Stats[0].Name != "queries" || d.Stats[0].Measures[5].Func != "histogram(rtt, 0.001, 0.01, 0.1, 1)" {
		t.Errorf("definition %+v", d)
	}
}

// The sample explains every key that can be set, but those of the other backend and of other formats.
func TestSampleShowsEveryKey(t *testing.T) {
	t.Parallel()
	for _, key := range variableKeys() {
		last := key[strings.LastIndexByte(key, '.')+1:]
		if !strings.HasPrefix(key, "aws") && !strings.Contains(Sample(), last+":") {
			t.Errorf("%s is not in the sample", key)
		}
	}
}

func TestLoadFindsTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "other.yaml")
	if err := os.WriteFile(file, []byte("local: {dir: data}\n"+minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	abs := filepath.Join(t.TempDir(), "abs")
	for name, env := range map[string][]string{
		file: nil,
		"":   {"REPRISE_CONFIG=" + file, "REPRISE_REQUIRE=all"},
	} {
		c, err := Load(name, env)
		if err != nil {
			t.Fatal(err)
		}
		if want := (Local{Dir: filepath.Join(dir, "data"), Archive: filepath.Join(dir, "data", "archive")}); c.Local != want {
			t.Errorf("local is %+v, want %+v", c.Local, want)
		}
	}
	c, err := Load(file, []string{"REPRISE_LOCAL_DIR=here", "REPRISE_LOCAL_ARCHIVE=" + abs})
	if want := (Local{Dir: "here", Archive: abs}); err != nil || c.Local != want {
		t.Errorf("local is %+v, want %+v: %v", c.Local, want, err)
	}
	_, err = Load(filepath.Join(dir, "none.yaml"), nil)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "reprise init") {
		t.Errorf("a missing file: %v", err)
	}
	if _, err = Load(dir, nil); err == nil {
		t.Error("a folder was read")
	}
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = Load(big, nil); err == nil || !strings.Contains(err.Error(), "no config file") {
		t.Errorf("a large file: %v", err)
	}
}

// TestLoadText: a text stands for the file, unless a file is named; errors say where it came from.
func TestLoadText(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "reprise.yaml")
	if err := os.WriteFile(file, []byte("worker: {slots: 3}\n"+minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "REPRISE_CONFIG_YAML=worker: {slots: 2}\n" + minimal
	for path, slots := range map[string]int{"": 2, file: 3} {
		if c, err := Load(path, []string{text}); err != nil || c.Worker.Slots != slots {
			t.Errorf("%q: %d slots, %v", path, c.Worker.Slots, err)
		}
	}
	for want, env := range map[string][]string{
		"REPRISE_CONFIG_YAML:1:10":          {"REPRISE_CONFIG_YAML=worker: {slot: 2}\n" + minimal},
		"REPRISE_CONFIG; unset one of them": {text, "REPRISE_CONFIG=" + file},
	} {
		if _, err := Load("", env); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", env, err, want)
		}
	}
}

func TestVariablesWin(t *testing.T) {
	t.Parallel()
	c, err := parse("reprise.yaml", []byte("worker: {slots: 3, reserve: 10s}\n"+minimal), variables([]string{
		"REPRISE_WORKER_SLOTS=5", "REPRISE_WORKER_SLOTS=7", "REPRISE_WORKER_RESERVE=", "REPRISE_WORKER_VISIBILITY_TIMEOUT=1m",
		"REPRISE_WORKER_MEMORY=1GiB", "REPRISE_AWS_TABLES_META=m", "REPRISE_AWS_ENDPOINT_URL_SQS=http://localhost:1",
		"REPRISE_ARCHIVE_TAGS=off", "REPRISE_LIVE=none", "REPRISE_SERVICE_HOST=10.0.0.1", "REPRISE_PORT_8080_TCP=tcp://10.0.0.1:8080",
		"PATH=/bin", "nonsense",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if c.Worker.Slots != 7 || c.Worker.Reserve != 10*time.Second || c.Worker.VisibilityTimeout != time.Minute || c.Worker.ChunkTime != time.Minute {
		t.Errorf("worker %+v", c.Worker)
	}
	if c.Worker.Memory != 1<<30 || c.AWS.Tables.Meta != "m" || c.AWS.EndpointURL.SQS != "http://localhost:1" || c.Archive.Tags != TagsOff {
		t.Errorf("config %+v", c)
	}
}

func TestVariableErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ variable, want string }{
		{"REPRISE_WORKER_SLOT=4", "REPRISE_WORKER_SLOT: is no key; did you mean REPRISE_WORKER_SLOTS?"},
		{"REPRISE_WORKER_SPEED=4", "REPRISE_WORKER_SPEED: is no key; known under worker: REPRISE_WORKER_CHUNK_TIME, REPRISE_WORKER_DRAIN, REPRISE_WORKER_MAX_ATTEMPTS, REPRISE_WORKER_MEMORY, REPRISE_WORKER_RESERVE, REPRISE_WORKER_SLOTS, REPRISE_WORKER_VISIBILITY_TIMEOUT"},
		{"REPRISE_BACKENDS=local", "REPRISE_BACKENDS: is no key; did you mean REPRISE_BACKEND?"},
		{"REPRISE_PROTOCOLS_DNS_FORMAT=json", "REPRISE_PROTOCOLS_DNS_FORMAT: protocols can be set in the file alone; unset the variable"},
		{"REPRISE_WORKER_SLOTS=many", `REPRISE_WORKER_SLOTS: worker.slots: "many" is not a whole number`},
		{"REPRISE_WORKER_SLOTS=0", "REPRISE_WORKER_SLOTS: worker.slots: 0 is out of range; use 1 to 1024"},
		{"REPRISE_BACKEND=aws", `reprise.yaml: aws.bucket: "" is no bucket; name the one that has the archive`},
		{"REPRISE_LIVE=all", `REPRISE_LIVE: live: "all" is not known; write none, or a map of settings, which may be empty: {}`},
		{"REPRISE_LIVE_SLOTS=0", "REPRISE_LIVE_SLOTS: live.slots: 0 is out of range; use 1 to 100"},
		{"REPRISE_LIVE_SLOT=3", "REPRISE_LIVE_SLOT: is no key; did you mean REPRISE_LIVE_SLOTS?"},
		{"REPRISE_ARCHIVER_KEEP_ENTRIES=1h", "REPRISE_ARCHIVER_KEEP_ENTRIES: archiver.keep_entries: 1h is out of range; use 48h to 87600h"},
	} {
		_, err := parse("reprise.yaml", []byte(minimal), variables([]string{c.variable}))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s gives\n%v\nwant\n%s", c.variable, err, c.want)
		}
	}
}

// A live side is on where the file or REPRISE_LIVE says so; a variable of one of its settings switches nothing.
func TestLive(t *testing.T) {
	t.Parallel()
	standard := Default().Live
	on := standard
	on.On = true
	slots := func(l Live, n int) Live {
		l.Slots = n
		return l
	}
	for _, c := range []struct {
		file, variables string
		want            Live
	}{
		{"", "", standard},
		{"live:", "", standard},
		{"live: none", "", standard},
		{"live: {}", "", on},
		{"live: {slots: 3}", "", slots(on, 3)},
		{"live:\n  slots: 3", "REPRISE_LIVE_SLOTS=5", slots(on, 5)},
		{"live: {slots: 3}", "REPRISE_LIVE=none", slots(standard, 3)},
		{"live: {slots: 3}", "REPRISE_LIVE={}", slots(on, 3)},
		{"live: none", "REPRISE_LIVE={}", on},
		{"live: none", "REPRISE_LIVE_SLOTS=5", slots(standard, 5)},
		{"live: none", "REPRISE_LIVE_SLOTS=5 REPRISE_LIVE={}", slots(on, 5)},
	} {
		got, err := parse("reprise.yaml", []byte(c.file+"\n"+minimal), variables(strings.Fields(c.variables)))
		if err != nil || got.Live != c.want {
			t.Errorf("%q with %q gives %+v, want %+v: %v", c.file, c.variables, got.Live, c.want, err)
		}
	}
}

func TestArchivedBy(t *testing.T) {
	t.Parallel()
	for text, others := range map[string]bool{"": false, "    archived_by: reprise\n": false, "    archived_by: others\n": true} {
		c, err := parse("reprise.yaml", []byte("archive: {layout: \"{protocol}/{rest}\"}\nlive: {}\n"+minimal+text), nil)
		if err != nil || c.Protocol["dns"].Others() != others {
			t.Errorf("%q: others %v, %v", text, c.Protocol["dns"].Others(), err)
		}
	}
	_, err := parse("reprise.yaml", []byte("archive: {layout: \"{protocol}\"}\nlive: {}\n"+minimal+"    archived_by: others\n"), nil)
	if err != nil {
		t.Errorf("a layout that nobody has to fill in: %v", err)
	}
}

func TestOverridesWin(t *testing.T) {
	t.Parallel()
	c, err := parse("reprise.yaml", []byte("worker: {slots: 3}\n"+minimal), map[string]string{"REPRISE_WORKER_SLOTS": "5"},
		func(c *Config) { c.Worker.Slots = 9 }, func(c *Config) { c.Worker.VisibilityTimeout = time.Minute })
	if err != nil || c.Worker.Slots != 9 || c.Worker.ChunkTime != time.Minute {
		t.Errorf("worker %+v, %v", c.Worker, err)
	}
	_, err = parse("reprise.yaml", []byte(minimal), nil, func(c *Config) { c.Worker.Slots = -1 })
	if err == nil {
		t.Error("an override is not validated")
	}
}

func TestDefault(t *testing.T) {
	t.Parallel()
	c := Default()
	if c.Worker.Slots != 2*runtime.GOMAXPROCS(0) {
		t.Errorf("%d slots", c.Worker.Slots)
	}
	c.Worker.ChunkTime, c.Local.Archive, c.Watcher = time.Minute, "a", Watcher{Interval: time.Second, StuckAfter: time.Minute}
	err := c.Validate()
	if err == nil || !strings.HasPrefix(err.Error(), "protocols: there is none") {
		t.Errorf("validating the default: %v", err)
	}
}

func TestDefinition(t *testing.T) {
	t.Parallel()
	c, err := parse("reprise.yaml", []byte(`protocols:
  web:
    format: combined
    max_line: 64KiB
    rejects: fail_above 0.05
    stats:
      z: {by: [hour], where: status >= 500, measures: {zz: count, aa: sum(bytes)}}
      a: {measures: {n: count}}
  dns: {format: tsv, columns: [ts, id], header: true, comment: "#", timestamp: ts, layout: unix, stats: {a: {measures: {404: count}}}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"dns", "web"}, c.Protocols()); d != "" {
		t.Error(d)
	}
	field, layout := logline.DefaultTimestamp("combined")
	want := stats.Definition{
		Protocol: "web", Format: logline.Format{Name: "combined"}, Timestamp: field, Layout: layout, MaxLine: 64 << 10,
		Aggregator: stats.Version,
		Stats: []stats.Statistic{
			{Name: "z", Where: "status >= 500", By: []string{"hour"}, Measures: []stats.Measure{{Name: "zz", Func: "count"}, {Name: "aa", Func: "sum(bytes)"}}},
			{Name: "a", Measures: []stats.Measure{{Name: "n", Func: "count"}}},
		},
	}
	if d := cmp.Diff(want, c.Definition("web")); d != "" {
		t.Error(d)
	}
	if r := c.Protocol["web"].Rejects; !r.Limited || r.FailAbove != 0.05 || c.Protocol["dns"].Rejects.Limited {
		t.Errorf("rejects %+v", r)
	}
	dns := c.Definition("dns")
	if dns.Layout != "unix" || !dns.Format.Header || dns.Format.Comment != "#" || dns.MaxLine != stats.DefaultMaxLine || dns.Stats[0].Measures[0].Name != "404" {
		t.Errorf("dns %+v", dns)
	}
	if d := c.Definition("none"); !reflect.ValueOf(d).IsZero() {
		t.Errorf("an unknown protocol has %+v", d)
	}
}

func TestAnchors(t *testing.T) {
	t.Parallel()
	c, err := parse("reprise.yaml", []byte(`protocols:
  a: &a
    format: json
    timestamp: ts
    stats:
      s: {by: &by [minute, x], measures: &m {n: count}}
      t: {by: *by, measures: *m}
  b: *a
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c.Protocol["a"], c.Protocol["b"]); d != "" || len(c.Protocol["b"].Stats[1].By) != 2 {
		t.Errorf("b is %+v", c.Protocol["b"])
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Bytes{
		"0": 0, "4096": 4096, "64KiB": 64 << 10, "1.5MiB": 3 << 19, "2 GiB": 2 << 30, "1kB": 1000, "10MB": 1e7, "3GB": 3e9, "7B": 7,
	} {
		got, err := ParseBytes(text)
		if err != nil || got != want {
			t.Errorf("%s is %d, %v", text, got, err)
		}
		if again, err := ParseBytes(got.String()); err != nil || again != got {
			t.Errorf("%d prints %s, which is %d, %v", got, got, again, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5", "KiB", "1TB", "9e99", "NaN", "Inf", "0x10KiB "} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	if h := (Worker{VisibilityTimeout: 3 * time.Second}).Heartbeat(); h != time.Second {
		t.Errorf("heartbeat %v", h)
	}
}

// FuzzLoad: no input panics, an error is Errors, and what loads is valid and has its definitions.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(Sample()))
	f.Add([]byte(minimal))
	files, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parse("reprise.yaml", text, nil)
		if err != nil {
			all, ok := errors.AsType[Errors](err)
			if !ok || len(all) == 0 || all[0].Text == "" {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("loads and is not valid: %v", err)
		}
		for _, p := range c.Protocols() {
			if _, err := stats.Compile(c.Definition(p)); err != nil {
				t.Fatalf("loads and does not compile: %v", err)
			}
		}
	})
}

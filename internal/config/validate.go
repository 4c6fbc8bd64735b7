package config

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
)

// The ranges of the settings.
const (
	maxVisibility = 12 * time.Hour // what SQS allows
	minVisibility = time.Second
	maxDrain      = time.Hour
	maxSlots      = 1024
	maxAttempts   = 100
	minMemory     = Bytes(8 << 20) // well above what an empty partial keeps (stats.KeptBytes)
	minDrain      = time.Second    // the last writes need some of it
	maxMemory     = Bytes(16 << 30)
	minInterval   = 100 * time.Millisecond
	maxInterval   = time.Hour
	maxStuckAfter = 24 * time.Hour
	maxRate       = 1_000_000

	maxSettle      = time.Hour
	maxLiveSlots   = 100
	minObject      = Bytes(64 << 10)
	maxObject      = Bytes(256 << 20)
	minKeepEntries = 48 * time.Hour // longer than a stream remembers (24 h), or a record read late would put an entry back
	maxKeepEntries = 10 * 365 * 24 * time.Hour
	maxDay         = 24 * time.Hour
)

// Validate checks each key and what holds between keys, also that each protocol compiles. The error is Errors, each
// with the key, its place and what to do. Load has called it; call it again after a change.
func (c Config) Validate() error {
	v := &validator{src: c.src}
	v.backend(c)
	v.archive(c.Archive)
	v.worker(c.Worker)
	v.duration("watcher.interval", c.Watcher.Interval, minInterval, maxInterval)
	v.duration("watcher.stuck_after", c.Watcher.StuckAfter, time.Second, maxStuckAfter)
	v.live(c)
	v.telemetry(c.Telemetry)
	if len(c.Protocol) == 0 {
		v.fail("protocols", "there is none; describe at least one, as in the sample that `reprise init` writes")
	}
	for _, name := range c.Protocols() {
		v.protocol(c, name)
	}
	return sorted(v.errs)
}

// validator collects what is wrong.
type validator struct {
	src  *source
	errs Errors
}

func (v *validator) fail(key, format string, args ...any) {
	v.errs = append(v.errs, v.src.fault(key, format, args...))
}

// must reports an error unless ok.
func (v *validator) must(ok bool, key, format string, args ...any) {
	if !ok {
		v.fail(key, format, args...)
	}
}

// oneOf reports an error unless the value is among the allowed ones.
func (v *validator) oneOf(key, value string, allowed ...string) {
	v.must(slices.Contains(allowed, value), key, "%q is not known; use one of %s", value, strings.Join(allowed, ", "))
}

func (v *validator) backend(c Config) {
	if c.Backend == BackendAWS {
		v.aws(c.AWS)
		return
	}
	v.oneOf("backend", c.Backend, BackendLocal, BackendAWS)
	v.must(c.Local.Dir != "", "local.dir", "is empty; name the folder of the databases, such as .reprise")
	v.must(c.Local.Archive != "", "local.archive", "is empty; name the folder of the archive, or remove the key")
}

// The names that the services allow. Standard queues alone: a FIFO queue holds one group's messages back behind another's.
func isQueue(s string) bool { return isName(s, 1, 80, "_-") }
func isTable(s string) bool { return isName(s, 3, 255, "_.-") }
func isBucket(s string) bool {
	return isName(s, 3, 63, ".-") && s == strings.ToLower(s) && !strings.ContainsAny(s[:1]+s[len(s)-1:], ".-")
}

// isName reports whether s is made of so many letters of ASCII, digits and marks. A regular expression would be compiled
// with a copy of its class for each of them, at the start of every command.
func isName(s string, least, most int, marks string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(marks, r) {
			return false
		}
	}
	return least <= len(s) && len(s) <= most
}

// aws checks names alone: what they name is for `config check --live`. The region may come from the environment.
func (v *validator) aws(a AWS) {
	v.must(isQueue(a.Queue), "aws.queue", "%q is no name of a standard queue; use 1 to 80 letters, digits, '-' and '_'", a.Queue)
	v.must(isQueue(a.DeadLetterQueue), "aws.dead_letter_queue",
		"%q is no name of a standard queue; use 1 to 80 letters, digits, '-' and '_'", a.DeadLetterQueue)
	v.must(a.Queue != a.DeadLetterQueue, "aws.dead_letter_queue", "%q is the work queue too; use two queues", a.DeadLetterQueue)
	v.must(isBucket(a.Bucket), "aws.bucket", "%q is no bucket; name the one that has the archive", a.Bucket)
	used := map[string]string{}
	for _, t := range []struct{ key, name string }{
		{"aws.tables.meta", a.Tables.Meta}, {"aws.tables.cursors", a.Tables.Cursors},
		{"aws.tables.stats", a.Tables.Stats}, {"aws.tables.incoming", a.Tables.Incoming},
	} {
		v.must(isTable(t.name), t.key, "%q is no table; use 3 to 255 letters, digits, '-', '_' and '.'", t.name)
		v.must(used[t.name] == "", t.key, "%q is the table of %s too; use a table for each", t.name, used[t.name])
		used[t.name] = t.key
	}
	v.endpoint("aws.endpoint_url.sqs", a.EndpointURL.SQS)
	v.endpoint("aws.endpoint_url.s3", a.EndpointURL.S3)
	v.endpoint("aws.endpoint_url.dynamodb", a.EndpointURL.DynamoDB)
	v.must(a.WriteRate >= 0 && a.WriteRate <= maxRate, "aws.write_rate", "%d is out of range; use 1 to %d, or 0 for no limit", a.WriteRate, maxRate)
	v.must(a.TagRate >= 0 && a.TagRate <= maxRate, "aws.tag_rate", "%d is out of range; use 1 to %d, or 0 for no limit", a.TagRate, maxRate)
}

func (v *validator) endpoint(key, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	v.must(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", key,
		"%q is no URL of a service; write it like http://127.0.0.1:8000, or remove the key for AWS's own", text)
}

func (v *validator) archive(a Archive) {
	v.prefix(a.Prefix)
	if _, err := archive.ParseLayout(a.Layout); err != nil {
		v.fail("archive.layout", "%v", err)
	}
	v.oneOf("archive.tags", a.Tags, TagsAll, TagsFinal, TagsOff)
}

func (v *validator) prefix(p string) {
	const key = "archive.prefix"
	switch {
	case p == "":
	case strings.HasPrefix(p, "/"):
		v.fail(key, "%q begins with '/', but keys do not; write %q", p, strings.TrimLeft(p, "/"))
	case !strings.HasSuffix(p, "/"):
		v.fail(key, "%q does not end in '/'; write %q", p, p+"/")
	case path.Clean(p)+"/" != p || strings.HasPrefix(p, "../"):
		v.fail(key, "%q is not a clean path; leave out empty parts, '.' and '..'", p)
	case p == "partials/" || strings.HasPrefix(p, "partials/"):
		v.fail(key, "partials/ is where Reprise keeps its own objects; keep logs under another prefix")
	}
}

func (v *validator) worker(w Worker) {
	v.must(w.Slots >= 1 && w.Slots <= maxSlots, "worker.slots", "%d is out of range; use 1 to %d", w.Slots, maxSlots)
	v.must(w.MaxAttempts >= 1 && w.MaxAttempts <= maxAttempts, "worker.max_attempts",
		"%d is out of range; use 1 to %d", w.MaxAttempts, maxAttempts)
	v.must(w.Memory >= minMemory && w.Memory <= maxMemory, "worker.memory",
		"%v is out of range; use %v to %v", w.Memory, minMemory, maxMemory)
	inRange := v.duration("worker.visibility_timeout", w.VisibilityTimeout, minVisibility, maxVisibility)
	inRange = v.duration("worker.chunk_time", w.ChunkTime, time.Millisecond, maxVisibility) && inRange
	inRange = v.duration("worker.reserve", w.Reserve, time.Millisecond, maxVisibility) && inRange
	v.duration("worker.drain", w.Drain, minDrain, maxDrain)
	if inRange {
		v.reserve(w)
	}
}

// live checks the settings of the live side and of the archiver also where there is no live side: what is wrong then
// would be wrong when it is switched on.
func (v *validator) live(c Config) {
	l, a := c.Live, c.Archiver
	v.duration("live.settle", l.Settle, time.Second, maxSettle)
	v.duration("live.late", l.Late, time.Second, maxDay)
	v.duration("live.drain", l.Drain, time.Second, maxDay)
	v.must(l.Slots >= 1 && l.Slots <= maxLiveSlots, "live.slots", "%d is out of range; use 1 to %d", l.Slots, maxLiveSlots)
	v.must(a.MaxBytes >= minObject && a.MaxBytes <= maxObject, "archiver.max_bytes",
		"%v is out of range; use %v to %v", a.MaxBytes, minObject, maxObject)
	v.duration("archiver.max_age", a.MaxAge, time.Second, maxDay)
	v.duration("archiver.keep_entries", a.KeepEntries, minKeepEntries, maxKeepEntries)
	if l.On {
		v.objectNames(c)
	}
}

// objectNames: the archiver fills the layout in, and a replay must find in the key what it has put there.
func (v *validator) objectNames(c Config) {
	layout, err := archive.ParseLayout(c.Archive.Layout)
	if err != nil {
		return // an error of its own
	}
	const epoch = 1
	name := archive.ObjectName(epoch, "01J00000000000000000000000")
	for _, protocol := range c.Protocols() {
		if c.Protocol[protocol].Others() {
			continue
		}
		key, err := layout.Key(protocol, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), name)
		if err == nil {
			if found, ok := archive.EpochOf(key); !ok || found != epoch {
				err = fmt.Errorf("layout %q: key %q hides the name that the archiver gives an object", c.Archive.Layout, key)
			}
		}
		if err != nil {
			v.fail("archive.layout", "%v; with a live side Reprise archives the entries of %s itself: use a layout such as {protocol}/{rest}, or write archived_by: others below protocols.%[2]s",
				err, protocol)
			return
		}
	}
}

func (v *validator) duration(key string, d, least, most time.Duration) bool {
	ok := d >= least && d <= most
	v.must(ok, key, "%s is out of range; use %s to %s", brief(d), brief(least), brief(most))
	return ok
}

// reserve holds the budget together: the end of it is kept for the commit, so something must be left before.
func (v *validator) reserve(w Worker) {
	const key = "worker.reserve"
	at := key // shown where the user wrote something: at the other key when the reserve is the default
	switch {
	case w.Reserve >= w.VisibilityTimeout:
		if !v.src.isSet(key) && v.src.isSet("worker.visibility_timeout") {
			at = "worker.visibility_timeout"
		}
		v.fail(at, "reserve (%s%s) must be less than visibility_timeout (%s), or nothing is left to read in; lower reserve or raise visibility_timeout",
			brief(w.Reserve), v.origin(key), brief(w.VisibilityTimeout))
	case w.Reserve >= w.ChunkTime:
		if !v.src.isSet(key) {
			at = "worker.chunk_time"
		}
		v.fail(at, "reserve (%s%s) must be less than chunk_time (%s), or nothing is left to read in; lower reserve or raise chunk_time",
			brief(w.Reserve), v.origin(key), brief(w.ChunkTime))
	}
}

func (v *validator) origin(key string) string {
	if v.src != nil && !v.src.isSet(key) {
		return ", the default"
	}
	return ""
}

// brief prints a duration without empty parts: 12h rather than 12h0m0s.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// place of a key below a protocol.
func protocolKey(protocol string, parts ...string) string {
	return fmt.Sprintf("protocols.%s%s", protocol, strings.Join(append([]string{""}, parts...), "."))
}

package config

import (
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
)

// FileName is the file that is read where nobody names another.
const FileName = "reprise.yaml"

// The backends.
const (
	BackendLocal = "local"
	BackendAWS   = "aws"
)

// The ways to mirror a replay in the tags of its objects.
const (
	TagsAll   = "all"   // every change of state
	TagsFinal = "final" // the last state alone
	TagsOff   = "off"   // none
)

// Config is the whole configuration. Its yaml tags are the keys of the file.
type Config struct {
	Backend   string    `yaml:"backend"` // BackendLocal or BackendAWS
	Local     Local     `yaml:"local"`
	AWS       AWS       `yaml:"aws"`
	Archive   Archive   `yaml:"archive"`
	Worker    Worker    `yaml:"worker"`
	Watcher   Watcher   `yaml:"watcher"`
	Live      Live      `yaml:"live"`
	Archiver  Archiver  `yaml:"archiver"`
	Telemetry Telemetry `yaml:"telemetry"`
	// Protocol holds the protocols by name; Protocols gives the names.
	Protocol map[string]Protocol `yaml:"protocols"`

	src *source // where each key stands; nil for a Config that was not loaded
}

// Local is the embedded backend. Relative paths are relative to the folder of the config file.
type Local struct {
	Dir     string `yaml:"dir"`     // the folder of the databases
	Archive string `yaml:"archive"` // the folder of the archive: keys are paths below it; default: Dir/archive
}

// AWS names what the aws backend uses.
type AWS struct {
	Region          string    `yaml:"region"`
	EndpointURL     Endpoints `yaml:"endpoint_url"`
	Queue           string    `yaml:"queue"`
	DeadLetterQueue string    `yaml:"dead_letter_queue"`
	Bucket          string    `yaml:"bucket"`
	Tables          Tables    `yaml:"tables"`
	WriteRate       int       `yaml:"write_rate"` // write units a second that one process spends on rows, 0: no limit
	TagRate         int       `yaml:"tag_rate"`   // objects a second that one process tags at most, 0: no limit
}

// Endpoints are the URLs of other implementations of the services; empty for AWS's own.
type Endpoints struct {
	SQS      string `yaml:"sqs"`
	S3       string `yaml:"s3"`
	DynamoDB string `yaml:"dynamodb"`
}

// Tables are the names of the DynamoDB tables.
type Tables struct {
	Meta     string `yaml:"meta"`
	Cursors  string `yaml:"cursors"`
	Stats    string `yaml:"stats"`
	Incoming string `yaml:"incoming"`
}

// Archive says which objects are log objects and how their keys name a protocol.
type Archive struct {
	Prefix string `yaml:"prefix"` // empty, or ends in '/'
	Layout string `yaml:"layout"` // of the keys below the prefix; see archive.ParseLayout
	Tags   string `yaml:"tags"`   // TagsAll, TagsFinal or TagsOff
}

// Worker says how a worker process works.
type Worker struct {
	Slots             int           `yaml:"slots"`              // objects in work at once, 1 to 1024
	VisibilityTimeout time.Duration `yaml:"visibility_timeout"` // 1 s to 12 h
	ChunkTime         time.Duration `yaml:"chunk_time"`         // the budget of one chunk, up to 12 h; default: VisibilityTimeout
	Reserve           time.Duration `yaml:"reserve"`            // the end of the budget that is kept for the commit
	MaxAttempts       int           `yaml:"max_attempts"`       // attempts without progress before an object is FAILED, 1 to 100
	Drain             time.Duration `yaml:"drain"`              // what a stopping worker has to hand back, up to 1 h
	Memory            Bytes         `yaml:"memory"`             // of one partial before it is sealed, 1 MiB to 16 GiB
}

// Heartbeat is how often the visibility of the messages held is extended.
func (w Worker) Heartbeat() time.Duration { return w.VisibilityTimeout / 3 }

// Watcher says how often a watcher looks.
type Watcher struct {
	Interval   time.Duration `yaml:"interval"`    // between two looks, 100 ms to 1 h; default by the backend
	StuckAfter time.Duration `yaml:"stuck_after"` // that the queue is empty before open work is sent again, 1 s to 1 day; default by the backend
}

// Protocol is one family of log lines.
type Protocol struct {
	Format     string      `yaml:"format"`
	Columns    []string    `yaml:"columns"`
	Header     bool        `yaml:"header"`
	Comment    string      `yaml:"comment"`
	Pattern    string      `yaml:"pattern"`
	Consumer   string      `yaml:"consumer"`
	Timestamp  string      `yaml:"timestamp"` // empty: the format's own
	Layout     string      `yaml:"layout"`    // of the timestamp; empty: the format's own
	MaxLine    Bytes       `yaml:"max_line"`  // 64 B to 64 MiB; 0: stats.DefaultMaxLine
	Rejects    Rejects     `yaml:"rejects"`
	ArchivedBy string      `yaml:"archived_by"` // ArchivedByReprise, ArchivedByOthers; empty: the former
	Stats      []Statistic `yaml:"stats"`       // a map in the file, in its order
}

// Statistic is one named aggregation.
type Statistic struct {
	Name     string    `yaml:",key"`
	By       []string  `yaml:"by"`
	Where    string    `yaml:"where"`
	Measures []Measure `yaml:"measures"` // a map in the file, in its order
}

// Measure is one named value.
type Measure struct {
	Name string `yaml:",key"`
	Func string `yaml:",value"`
}

// Default is the configuration of an empty file. It has no protocol, so it is not valid. ChunkTime, Local.Archive and
// Watcher are empty in it: Load derives them from other keys.
func Default() Config {
	return Config{
		Backend: BackendLocal,
		Local:   Local{Dir: ".reprise"},
		AWS: AWS{
			Queue:           "reprise-work",
			DeadLetterQueue: "reprise-work-dlq",
			Tables: Tables{
				Meta: "reprise-meta", Cursors: "reprise-cursors", Stats: "reprise-stats", Incoming: "reprise-incoming",
			},
			WriteRate: 1000,
			TagRate:   500,
		},
		Archive: Archive{Prefix: "logs/", Layout: "{protocol}/{rest}", Tags: TagsAll},
		Worker: Worker{
			Slots:             2 * runtime.GOMAXPROCS(0),
			VisibilityTimeout: 5 * time.Minute,
			Reserve:           30 * time.Second,
			MaxAttempts:       5,
			Drain:             25 * time.Second,
			Memory:            64 << 20,
		},
		Live:      Live{Settle: 30 * time.Second, Late: 15 * time.Minute, Drain: 5 * time.Minute, Slots: 16},
		Archiver:  Archiver{MaxBytes: 64 << 20, MaxAge: 5 * time.Minute, KeepEntries: 48 * time.Hour},
		Telemetry: Telemetry{EMF: EMFAuto, Stack: "reprise"},
	}
}

// Protocols are the names of the protocols, sorted.
func (c Config) Protocols() []string { return slices.Sorted(maps.Keys(c.Protocol)) }

// Definition is what decides how a protocol's lines count, zero for an unknown protocol. What the file leaves out
// is filled in, so that a later change of a default does not change what an old definition means.
func (c Config) Definition(protocol string) stats.Definition {
	p, ok := c.Protocol[protocol]
	if !ok {
		return stats.Definition{}
	}
	d := stats.Definition{
		Protocol:   protocol,
		Format:     p.format(),
		Timestamp:  p.Timestamp,
		Layout:     p.Layout,
		MaxLine:    int(p.MaxLine),
		Aggregator: stats.Version,
	}
	field, layout := logline.DefaultTimestamp(p.Format)
	if d.Layout == "" && (d.Timestamp == "" || d.Timestamp == field) {
		d.Layout = layout
	}
	if d.Timestamp == "" {
		d.Timestamp = field
	}
	if d.MaxLine == 0 {
		d.MaxLine = stats.DefaultMaxLine
	}
	for _, s := range p.Stats {
		d.Stats = append(d.Stats, s.definition())
	}
	return d
}

func (p Protocol) format() logline.Format {
	return logline.Format{
		Name: p.Format, Columns: p.Columns, Header: p.Header, Comment: p.Comment, Pattern: p.Pattern,
		Consumer: p.Consumer, Version: logline.ConsumerVersion(p.Consumer),
	}
}

func (s Statistic) definition() stats.Statistic {
	d := stats.Statistic{Name: s.Name, Where: s.Where, By: s.By}
	for _, m := range s.Measures {
		d.Measures = append(d.Measures, stats.Measure{Name: m.Name, Func: m.Func})
	}
	return d
}

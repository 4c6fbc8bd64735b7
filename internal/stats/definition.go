package stats

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-56345083/reprise/internal/logline"
)

// Version is the version of the aggregator. It changes whenever the same objects would give other lines, or the same lines
// other rows, so that a generation is never filled by two that differ. TestCounts and internal/replay's TestObjects tell
// when.
const Version = 1

// MaxStatistics is how many statistics a protocol may have: counting live puts one row of each into a transaction
// of at most 100 items.
const MaxStatistics = 99

// DefaultMaxLine is the length in bytes beyond which a line is rejected when a definition does not say.
const DefaultMaxLine = 1 << 20

// ErrVersion says that a definition was made for another version of the aggregator, or for a Go consumer that this
// program does not have, or has in other versions. Who meets it must not count for that generation.
var ErrVersion = errors.New("definition is of another version")

// Definition is everything that decides which rows a protocol's lines give. A generation keeps it as text.
type Definition struct {
	Protocol string         `json:"protocol"`
	Format   logline.Format `json:"format"`
	// Timestamp is the field of a line's timestamp, Layout how it is written; where they are empty the format's own
	// apply (see logline.DefaultTimestamp).
	Timestamp string `json:"timestamp,omitempty"`
	Layout    string `json:"layout,omitempty"`
	// MaxLine is the longest line in bytes, without its newline; 0 means DefaultMaxLine.
	MaxLine int         `json:"max_line,omitempty"`
	Stats   []Statistic `json:"stats"`
	// Aggregator is the Version that the definition was made for; 0 means this one. That of a Go consumer is in Format.
	Aggregator int `json:"aggregator"`
}

// Statistic is one named aggregation.
type Statistic struct {
	Name string `json:"name"`
	// Where is an expression of expr-lang that chooses lines; empty chooses all.
	Where string `json:"where,omitempty"`
	// By are the dimensions, left to right: minute, hour or day of the timestamp (one of them at most), or fields.
	By       []string  `json:"by,omitempty"`
	Measures []Measure `json:"measures"`
}

// Measure is one named value of a row.
type Measure struct {
	Name string `json:"name"`
	// Func is what is measured, as written: "count", "sum(rtt)", "histogram(rtt, 0.1, 1)".
	Func string `json:"func"`
}

// Encode gives the canonical JSON of the definition: what a generation keeps. Equal definitions have equal bytes.
func (d Definition) Encode() []byte {
	if d.Aggregator == 0 {
		d.Aggregator = Version
	}
	if d.Stats == nil {
		d.Stats = []Statistic{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // expressions have < and > in them, and people read this
	if err := enc.Encode(d); err != nil {
		panic(fmt.Sprintf("encoding a definition: %v", err)) // strings and ints only: cannot happen
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// DecodeDefinition reads what Encode wrote. A definition of another version of the aggregator is ErrVersion; an
// unknown key is an error too, because it could change what is counted.
func DecodeDefinition(b []byte) (Definition, error) {
	var v struct {
		Aggregator int `json:"aggregator"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return Definition{}, fmt.Errorf("decoding a definition: %w", err)
	}
	if v.Aggregator != Version {
		return Definition{}, fmt.Errorf("decoding a definition: %w: it needs aggregator %d, this program has %d; use the release that has it", ErrVersion, v.Aggregator, Version)
	}
	var d Definition
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return Definition{}, fmt.Errorf("decoding a definition: %w", err)
	}
	return d, nil
}

// Hash is the hex SHA-256 of Encode: equal for definitions that count alike.
func (d Definition) Hash() string {
	sum := sha256.Sum256(d.Encode())
	return hex.EncodeToString(sum[:])
}

package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// LiveNone is what stands instead of the settings of a live side where there is none.
const LiveNone = "none"

// liveOn is an empty map, as a variable writes it.
const liveOn = "{}"

// Who moves what was counted live to the archive.
const (
	ArchivedByReprise = "reprise" // the archiver of this program: exact, by the epoch in the keys of its objects
	ArchivedByOthers  = "others"  // another program: by the timestamps of the lines
)

// Live says how lines of the incoming table are counted as they come. In the file it is the word none, or a map of its
// settings, which may be empty.
type Live struct {
	On     bool          // there is a live side
	Settle time.Duration `yaml:"settle"` // that a cutoff lies ahead, for archives that others write, 1 s to 1 h
	Late   time.Duration `yaml:"late"`   // after the cutoff their archive is listed again, 1 s to 1 day
	Drain  time.Duration `yaml:"drain"`  // that a start waits for what is in flight, 1 s to 1 day
	Slots  int           `yaml:"slots"`  // parts that the rows counted live are spread over, 1 to 100
}

// Archiver says when counted lines move to the archive.
type Archiver struct {
	MaxBytes    Bytes         `yaml:"max_bytes"`    // of text that one object has at most, about; 64 KiB to 256 MiB
	MaxAge      time.Duration `yaml:"max_age"`      // of a batch before its object is written, 1 s to 1 day
	KeepEntries time.Duration `yaml:"keep_entries"` // that an archived entry stays in the incoming table, 48 h to 10 years
}

// Others reports whether another program archives the protocol's lines.
func (p Protocol) Others() bool { return p.ArchivedBy == ArchivedByOthers }

// UnmarshalText reads the word that a variable holds, or the file instead of a map: none, or {} for a live side whose
// settings are those of the file and of other variables.
func (l *Live) UnmarshalText(text []byte) error {
	switch word := strings.TrimSpace(string(text)); word {
	case LiveNone:
		l.On = false
	case liveOn:
		l.On = true
	default:
		return fmt.Errorf("%q is not known; write none, or a map of settings, which may be empty: {}", word)
	}
	return nil
}

var typeLive = reflect.TypeFor[Live]()

// live decodes the section that may be a word.
func (d *decoder) live(n ast.Node, v reflect.Value, key string) {
	switch text, kind := scalarText(n); kind {
	case kindText:
		if err := v.Addr().Interface().(*Live).UnmarshalText([]byte(text)); err != nil {
			d.fail(n, key, "%v", err)
		}
	case "":
		v.FieldByName("On").SetBool(true)
		d.structure(n, v, key)
	default:
		d.fail(n, key, "is %s; write none, or a map of settings, which may be empty: {}", kindOf(n))
	}
}

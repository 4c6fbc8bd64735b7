package queue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// TaskVersion is the version of the message that this program writes and reads.
const TaskVersion = 1

// ErrPoison says that a body can never be understood: it is no JSON, or of an unknown version.
var ErrPoison = errors.New("poison message")

// Task is what a message says: there is work for this cursor. Line is a hint for people who look at the queue; the
// cursor in the ledger is what counts.
type Task struct {
	Version  int    `json:"v"`
	Replay   string `json:"replay"`
	Protocol string `json:"protocol"`
	Key      string `json:"key"`             // of the archive object, or fold#<n>#<part>
	Fold     bool   `json:"fold,omitempty"`  // Key names a part of a fold: an object may bear such a name too
	Line     int64  `json:"line"`            // the next line to read (REPLAY_LINE)
	Error    string `json:"error,omitempty"` // why it was dead-lettered, for those who look at the queue
}

// Encode writes the task as a message body.
func (t Task) Encode() []byte {
	t.Version = TaskVersion
	body, err := json.Marshal(t)
	if err != nil { // strings and integers always marshal
		panic(err)
	}
	return escapeHigh(body)
}

// escapeHigh writes characters from U+FFFE on as escapes, as they may be in the strings of a JSON text: queues take neither
// of the first two, and some implementations of SQS none of those beyond.
func escapeHigh(body []byte) []byte {
	const first = '\uFFFE'
	if bytes.IndexFunc(body, func(r rune) bool { return r >= first }) < 0 {
		return body
	}
	var escaped []byte
	for _, r := range string(body) {
		if r < first {
			escaped = utf8.AppendRune(escaped, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			escaped = fmt.Appendf(escaped, `\u%04x`, unit)
		}
	}
	return escaped
}

// DecodeTask reads a message body. Unknown fields are ignored, so that a later version may add some; an unknown
// version, or a task that names no replay or no key, is ErrPoison.
func DecodeTask(body []byte) (Task, error) {
	var t Task
	if err := json.Unmarshal(body, &t); err != nil {
		return Task{}, fmt.Errorf("%w: reading the message: %w", ErrPoison, err)
	}
	switch {
	case t.Version != TaskVersion:
		return Task{}, fmt.Errorf("%w: message version %d, this program reads version %d", ErrPoison, t.Version, TaskVersion)
	case t.Replay == "" || t.Key == "":
		return Task{}, fmt.Errorf("%w: the message names no replay or no key", ErrPoison)
	case t.Line < 0:
		return Task{}, fmt.Errorf("%w: the message has a negative line", ErrPoison)
	}
	return t, nil
}

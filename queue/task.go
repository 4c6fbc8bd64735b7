package queue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	// JSON takes these two in strings as they are, a queue does not.
	body = bytes.ReplaceAll(body, []byte("\uFFFE"), []byte(`\ufffe`))
	return bytes.ReplaceAll(body, []byte("\uFFFF"), []byte(`\uffff`))
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

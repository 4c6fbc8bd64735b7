package archive

import (
	"context"
	"strconv"
	"time"
)

// The tags by which an object shows where its replay stands. They are a mirror for people and
// tools that look at the archive; nothing is decided by them.
const (
	TagReplay      = "REPLAY"       // PENDING, PROCESSING, FINISHED or FAILED
	TagReplayLine  = "REPLAY_LINE"  // the next line to read
	TagStateChange = "STATE_CHANGE" // when, RFC 3339
)

// The modes of the mirror.
const (
	TagsAll   = "all"   // every change of state
	TagsFinal = "final" // FINISHED and FAILED only
	TagsOff   = "off"
)

// Mirror writes a state into an object's tags where the mode asks for it.
type Mirror struct {
	Archive Archive
	Mode    string // TagsAll, TagsFinal or TagsOff
}

// Shows reports whether the mode asks for a state; final says that it is FINISHED or FAILED.
func (m Mirror) Shows(final bool) bool {
	return m.Mode != TagsOff && (final || m.Mode != TagsFinal)
}

// Set mirrors a state. final says that the state is FINISHED or FAILED.
func (m Mirror) Set(ctx context.Context, key, state string, line int64, at time.Time, final bool) error {
	if !m.Shows(final) {
		return nil
	}
	return m.Archive.MergeTags(ctx, key, map[string]string{
		TagReplay:      state,
		TagReplayLine:  strconv.FormatInt(line, 10),
		TagStateChange: at.UTC().Format(time.RFC3339),
	}, nil)
}

// Clear takes the mirror's tags off again and leaves the others.
func (m Mirror) Clear(ctx context.Context, key string) error {
	if m.Mode == TagsOff {
		return nil
	}
	return m.Archive.MergeTags(ctx, key, nil, []string{TagReplay, TagReplayLine, TagStateChange})
}

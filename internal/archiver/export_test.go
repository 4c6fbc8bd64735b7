package archiver

import "time"

// Small makes pauses short, batches of few entries and gzip members of little text; zero leaves what is usual. The
// archiver must not be in use yet.
func (a *Archiver) Small(entries, member int64) {
	a.limits.first, a.limits.most, a.limits.wait = 10*time.Microsecond, time.Millisecond, time.Millisecond
	if entries > 0 {
		a.limits.entries = entries
	}
	if member > 0 {
		a.limits.member = member
	}
}

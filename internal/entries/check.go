package entries

import (
	"fmt"
	"strings"
	"time"
)

// The checks below are about calls that no state of the store could make right: a mistake of the caller. Drivers make
// them before they write, so that a mistake shows on every backend alike and not only where the store has that limit.

// CheckPut refuses more than MaxPut entries, and what cannot be one (ErrBad).
func CheckPut(list []Entry) error {
	if len(list) > MaxPut {
		return fmt.Errorf("%d entries in one put, at most %d are possible", len(list), MaxPut)
	}
	for i := range list {
		if err := list[i].Check(); err != nil {
			return fmt.Errorf("entry %.100q: %w", list[i].ID, err)
		}
	}
	return nil
}

// CheckRead refuses more than MaxRead ids or keys.
func CheckRead(n int) error {
	if n > MaxRead {
		return fmt.Errorf("%d in one call, at most %d are possible", n, MaxRead)
	}
	return nil
}

// CheckLimit refuses limits below 1.
func CheckLimit(limit int64) error {
	if limit < 1 {
		return fmt.Errorf("limit %d, at least 1 is possible", limit)
	}
	return nil
}

// Check refuses what is no transaction: no entry, too many items, states that are too large, an item that comes twice, a
// part that is not live.
func (c Count) Check() error {
	if len(c.Entries) == 0 {
		return fmt.Errorf("no entry is counted")
	}
	if n := len(c.Entries) + len(c.Rows); n > MaxItems {
		return fmt.Errorf("%d entries and rows in one transaction, at most %d are possible", n, MaxItems)
	}
	if err := checkPart(c.Part.Name); err != nil {
		return err
	}
	ids := make(map[string]bool, len(c.Entries))
	for _, e := range c.Entries {
		if ids[e.ID] {
			return fmt.Errorf("entry %.100q comes twice", e.ID)
		}
		ids[e.ID] = true
	}
	keys, size := make(map[RowKey]bool, len(c.Rows)), 0
	for i := range c.Rows {
		key := c.Rows[i].RowKey()
		if keys[key] {
			return fmt.Errorf("row %.100q of %s comes twice", key.Key, key.Statistic)
		}
		keys[key] = true
		size += len(c.Rows[i].State)
	}
	if size > MaxBytes {
		return fmt.Errorf("rows of %d bytes in one transaction, at most %d are possible", size, MaxBytes)
	}
	return nil
}

// Check refuses what is no transaction, and to remove a row that is none or the one that is written.
func (m Merge) Check() error {
	if n := 1 + len(m.Remove); n > MaxItems {
		return fmt.Errorf("%d rows in one transaction, at most %d are possible", n, MaxItems)
	}
	if err := checkPart(m.Into.Name); err != nil {
		return err
	}
	type place struct {
		part string
		key  RowKey
	}
	places := map[place]bool{{m.Into.Name, m.Row.RowKey()}: true}
	for _, r := range m.Remove {
		if err := checkPart(r.Part); err != nil {
			return err
		}
		if places[place{r.Part, r.Key}] {
			return fmt.Errorf("row %.100q of %s in %s comes twice", r.Key.Key, r.Key.Statistic, r.Part)
		}
		places[place{r.Part, r.Key}] = true
		if r.Version == "" {
			return fmt.Errorf("row %.100q of %s in %s is to be removed, but has no version", r.Key.Key, r.Key.Statistic, r.Part)
		}
	}
	return nil
}

// Check refuses a batch without its names.
func (b Batch) Check() error {
	if b.ID == "" || b.Protocol == "" {
		return fmt.Errorf("batch %q of protocol %q: a name is missing", b.ID, b.Protocol)
	}
	return nil
}

// Check refuses a page without members, or with too many, and a member that comes twice.
func (j Join) Check() error {
	if n := len(j.Members); n == 0 || n > MaxJoin {
		return fmt.Errorf("%d entries join, 1 to %d are possible", n, MaxJoin)
	}
	ids := make(map[string]bool, len(j.Members))
	for _, m := range j.Members {
		if ids[m.ID] {
			return fmt.Errorf("entry %.100q comes twice", m.ID)
		}
		ids[m.ID] = true
	}
	return j.Batch.Check()
}

// CheckArchived refuses to archive without a batch, and more than MaxRead ids.
func CheckArchived(batch string, ids []string) error {
	if batch == "" {
		return fmt.Errorf("entries of no batch are not archived")
	}
	return CheckRead(len(ids))
}

func checkPart(name string) error {
	if !strings.HasPrefix(name, livePrefix) {
		return fmt.Errorf("part %q is no live part", name)
	}
	return nil
}

// The times that every store can keep to the nanosecond, and tell from none.
var (
	minTime = time.Unix(1, 0)
	maxTime = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)

func timeFits(t time.Time) bool { return !t.Before(minTime) && t.Before(maxTime) }

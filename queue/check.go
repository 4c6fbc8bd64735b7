package queue

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrInvalid says that the caller broke a limit of the contract: nothing was done, and trying again will not help.
var ErrInvalid = errors.New("invalid call")

// Drivers call the checks before anything else, so that a program that works with one driver works with the others.

// ValidTrace tells whether a message may be sent with this trace. Drivers leave out what is none, since a message that was
// received is sent on with the trace that it came with.
func ValidTrace(trace string) bool {
	bad := func(r rune) bool { return r <= ' ' || r > '~' }
	return len(trace) <= MaxTrace && strings.IndexFunc(trace, bad) < 0
}

// CheckSend returns ErrInvalid when the batch or one of its messages breaks a limit.
func CheckSend(messages []Outgoing) error {
	if err := checkBatch(len(messages)); err != nil {
		return err
	}
	for i, m := range messages {
		if len(m.Body) == 0 || len(m.Body) > MaxBody {
			return fmt.Errorf("%w: the body of message %d has %d bytes, 1 to %d are possible", ErrInvalid, i, len(m.Body), MaxBody)
		}
		if at := badCharacter(m.Body); at >= 0 {
			return fmt.Errorf("%w: the body of message %d has a character at byte %d that queues do not take: "+
				"no UTF-8, or none of #x9, #xA, #xD, #x20 to #xD7FF, #xE000 to #xFFFD, #x10000 to #x10FFFF", ErrInvalid, i, at)
		}
		if !ValidTrace(m.Trace) {
			return fmt.Errorf("%w: the trace of message %d is longer than %d characters, or not printable ASCII", ErrInvalid, i, MaxTrace)
		}
		if m.Delay < 0 || m.Delay > MaxDelay {
			return fmt.Errorf("%w: the delay of message %d is %s, 0 to %s are possible", ErrInvalid, i, m.Delay, MaxDelay)
		}
	}
	return nil
}

// badCharacter is where the body has what SQS refuses: it takes the characters of XML 1.0. -1: nowhere.
func badCharacter(body []byte) int {
	for at := 0; at < len(body); {
		r, size := utf8.DecodeRune(body[at:])
		broken := r == utf8.RuneError && size == 1
		if broken || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\uFFFE' || r == '\uFFFF' {
			return at
		}
		at += size
	}
	return -1
}

// CheckDelete returns ErrInvalid when the batch breaks a limit. A receipt that no driver wrote is an entry's error.
func CheckDelete(receipts []string) error { return checkBatch(len(receipts)) }

// CheckChanges returns ErrInvalid when the batch or one of its changes breaks a limit.
func CheckChanges(changes []Change) error {
	if err := checkBatch(len(changes)); err != nil {
		return err
	}
	for i, c := range changes {
		if c.Visibility < 0 || c.Visibility > MaxVisibility {
			return fmt.Errorf("%w: the visibility of change %d is %s, 0 to %s are possible", ErrInvalid, i, c.Visibility, MaxVisibility)
		}
	}
	return nil
}

// Check returns ErrInvalid when a parameter breaks its limit.
func (p ReceiveParams) Check() error {
	switch {
	case p.Max < 1 || p.Max > MaxBatch:
		return fmt.Errorf("%w: receiving %d messages at once, 1 to %d are possible", ErrInvalid, p.Max, MaxBatch)
	case p.Wait < 0 || p.Wait > MaxWait:
		return fmt.Errorf("%w: waiting %s for a message, 0 to %s are possible", ErrInvalid, p.Wait, MaxWait)
	case p.Visibility <= 0 || p.Visibility > MaxVisibility:
		return fmt.Errorf("%w: a visibility timeout of %s, above 0 to %s are possible", ErrInvalid, p.Visibility, MaxVisibility)
	}
	return nil
}

func checkBatch(n int) error {
	if n < 1 || n > MaxBatch {
		return fmt.Errorf("%w: a batch of %d entries, 1 to %d are possible", ErrInvalid, n, MaxBatch)
	}
	return nil
}

package archive

import (
	"context"
	"fmt"
	"runtime/debug"
)

const (
	// aheadBlocks is how many buffers are unpacked before the lines in them must be read: one is filled, one waits, and one
	// makes up for blocks that take longer than others.
	aheadBlocks = 3
	// maxCarry is how much of an unfinished line, in bytes, has room in front of the text that follows it. Where it is
	// longer, the text is copied behind the line instead.
	maxCarry = 4 << 10
)

// ahead is a stream that another one is unpacked into by a goroutine of its own, while the lines before are at work. It
// gives the same bytes, ends of pieces and errors in the same order, and the positions that belong to them. It owns its
// goroutine and aheadBlocks buffers; end gives both back.
type ahead struct {
	stream stream // this and the feed are the goroutine's until it has ended
	feed   *feed
	size   int // bytes of a block
	carry  int // of which these, at its front, are left free
	ctx    context.Context
	cancel context.CancelFunc // ends a read of the body that hangs

	full chan stretch // closed by the goroutine when it ends
	free chan *block

	now stretch // the rest of what was taken from full
	at  int64   // the stored byte behind it
}

// stretch is what one read of the stream gave, or, without a block, why there is none.
type stretch struct {
	block  *block
	r, w   int // its text
	err    error
	offset int64 // of the stored byte that comes next
	crash  error // what the goroutine panicked with
}

// newAhead takes a stream over, at a call of next where between is set, else of Read. The body must be one that fails when
// cancel is called.
func newAhead(ctx context.Context, cancel context.CancelFunc, s stream, f *feed, size int, between bool) *ahead {
	a := &ahead{
		stream: s, feed: f, size: size, carry: min(maxCarry, size/4), ctx: ctx, cancel: cancel, at: f.offset(),
		// One more than there are blocks, so that sending never waits.
		full: make(chan stretch, aheadBlocks+1), free: make(chan *block, aheadBlocks),
	}
	for range aheadBlocks {
		a.free <- getBlock(size)
	}
	go a.run(between)
	return a
}

// run unpacks until there is no more, an error, or the end of the context.
func (a *ahead) run(between bool) {
	defer close(a.full)
	defer func() {
		// Here a panic would end the process; where the lines are read it ends the work on one object.
		if r := recover(); r != nil {
			a.full <- stretch{crash: fmt.Errorf("unpacking ahead: %v\n%s", r, debug.Stack())}
		}
	}()
	for {
		if between {
			if err := a.stream.next(); err != nil {
				a.full <- stretch{err: err, offset: a.feed.offset()}
				return
			}
		}
		select {
		case b := <-a.free:
			n, err := a.stream.Read(b.b[a.carry:a.size])
			a.full <- stretch{block: b, r: a.carry, w: a.carry + n, err: err, offset: a.feed.offset()}
			if between = isEOF(err); err != nil && !between {
				return
			}
		case <-a.ctx.Done():
			a.full <- stretch{err: a.ctx.Err(), offset: a.feed.offset()}
			return
		}
	}
}

// wait takes the next stretch where now has been used up. It fails where there is no text to come.
func (a *ahead) wait() error {
	if a.now.block != nil {
		return nil
	}
	a.now = <-a.full
	if a.now.crash != nil {
		panic(a.now.crash)
	}
	a.at = a.now.offset
	if a.now.block == nil {
		return a.now.err
	}
	return nil
}

// used gives the block of now back, or another one for it.
func (a *ahead) used(b *block) error {
	err := a.now.err
	a.free <- b
	a.now = stretch{}
	return err
}

func (a *ahead) next() error { return a.wait() }

// Read copies, which swap does not.
func (a *ahead) Read(p []byte) (int, error) {
	if err := a.wait(); err != nil {
		return 0, err
	}
	n := copy(p, a.now.block.b[a.now.r:a.now.w])
	if a.now.r += n; a.now.r < a.now.w {
		return n, nil
	}
	return n, a.used(a.now.block)
}

// release ends the goroutine, waits for that, and gives the memory back.
func (a *ahead) release() {
	a.cancel()
	for s := range a.full {
		putBlock(s.block)
	}
	close(a.free)
	for b := range a.free {
		putBlock(b)
	}
	putBlock(a.now.block)
	a.stream.release()
}

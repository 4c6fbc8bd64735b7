// Package model checks the protocol of claims, commits and folds: every interleaving of two workers, a watcher or two,
// the reader of the dead letters, an operator and a world full of faults, over two objects of a few lines.
//
// The code is not run here. Each step of the model is one call of a contract (ledger, queue, archive), in the
// order in which the code makes them, and its comment names the function that makes it. A change there belongs here
// too; what the checker then finds is the shortest way to the fault. The mutations in run_test.go are rules left out,
// one at a time: they show that the model would notice.
//
// What keeps the space finite and small, without leaving out a behaviour:
//
//   - A fencing epoch is only ever compared with the cursor's present one, and never comes again. So whoever holds one
//     has a bit (mine) that every raise of the cursor's epoch takes away. The version of the replay's record (fresh) and
//     the number of the fold (same) are kept in the same way.
//   - A fold that was replaced is never promoted. So its messages and workers leave the board with it, except where a
//     mutation gives its number to the next one.
//   - The two workers are alike, so states that differ by their names are one. A trace gives the names back.
//   - An answer that got lost is, but for a commit's, what a crash right after the call is: the message comes back.
//   - Delays are left out: what waits may wait for ever, or not at all. Leases too, as they decide waste only.
//   - A queue that holds more than two equal messages holds two.
//   - Each fault has its price out of a small budget, and so has what a worker that is very slow makes likely: that its
//     claim or its message's time ends, or that the watcher takes the work for lost.
//
// Left out are the listing (the replay begins RUNNING, with everything enqueued), pause and cancel, partials in segments,
// several protocols, the worker's cache of the replay's record (here it is read when the message is received, and may be
// arbitrarily old when it is used), and the texts of what a replay waits for.
package model

const (
	objects = 2 // at most: cursors 0 and 1
	tasks   = 4 // two objects, two parts of a fold
	many    = 2 // a queue counts so far
)

// The states of cursors and of the replay.
const (
	none uint8 = iota
	pending
	processing
	finished
	failed
	running
	folding
)

// cursor is one record of ledger.Cursors: an object's, or that of a part of the present fold.
type cursor struct {
	state, line, attempts uint8
	owned                 bool  // OwnedUntil is to come
	sum                   uint8 // its partial: how often each line is in it, two bits each
	etag                  uint8 // the content of the object that it is pinned to
	of                    uint8 // the content that its lines are of
	gotObjects, gotLines  uint8 // a part's receipt
}

// part is what the table has under base.<n>.<part>. A put replaces the rows that it has: a row that all objects share
// (sum), and rows that one object alone adds to (own).
type part struct{ sum, own uint16 }

// worker is one slot of worker.Worker: a job's variables, nothing while it is idle.
type worker struct {
	at, then         place
	task             uint8
	receipt          bool // the message is still this worker's
	mine             bool // the epoch that it read is still the cursor's
	accepted         bool // job.replay.Accepted, as it was read
	sum              uint16
	line             uint8
	etag, attempts   uint8
	to, want         uint8 // of a commit whose outcome is not known
	objects, counted uint8 // of a fold
}

// watcher is one replay.Driver in step or bringBack.
type watcher struct {
	at                    place
	finishing             bool  // tryFinish, else tryFold
	fresh                 bool  // the replay's record is still as it was read
	same                  bool  // its fold is
	accepted              uint8 // as it was read
	index                 uint8 // how far a scan is
	done, failed, counted uint8
	open                  uint8 // bits: which
	seen, lost            uint8 // parts: FINISHED, FAILED
}

type judge struct {
	at   place
	task uint8
	mine bool
}

type operator struct {
	at                  place
	index, failed, open uint8
}

// write is a commit that was given up as lost, and is still on its way.
type write struct {
	on, mine       bool
	task           uint8
	from, to, want uint8
	sum, etag      uint8
}

// state is everything that is remembered anywhere. It is comparable.
type state struct {
	replay           uint8
	accepted         uint8 // Accepted.Objects; 0: nothing is accepted
	listed, promoted bool  // readers read the present fold once it is promoted
	cursors          [tasks]cursor
	rows             [2]part
	visible, dead    [tasks]uint8 // messages in the queue, in the dead-letter queue
	tagged           [objects]bool
	content          [objects]uint8 // of the object in the archive: 0, and 1 once it was replaced
	workers          [2]worker
	watchers         [2]watcher
	judge            judge
	operator         operator
	late             write
	faults           uint8 // still to come
	accepts, hands   uint8 // what the operator may still do
}

// kind is what an object is like until somebody replaces it.
type kind uint8

const (
	healthy kind = iota
	corrupt      // its second line cannot be read
	deadly       // whoever reads it dies
)

// fault is a bit for each thing that may go wrong.
type fault uint16

const (
	crash   fault = 1 << iota // a worker dies
	repeat                    // a message comes twice
	lose                      // a message is lost
	expire                    // a claim ends while its owner is at work
	slow                      // a message comes back while its receiver is at work
	unheard                   // a commit's answer is lost; it was done, or not, or is done later
	stumble                   // reading breaks off
	stop                      // a worker is stopped, and hands back
	wear                      // the queue's own redrive policy takes a message for dead
	hasty                     // the watcher takes work for lost while somebody is at it
	abort                     // a watcher ends in the middle
	all     fault = 1<<iota - 1
)

// rule is a bit for each rule that can be left out (a mutation) or put in (a fix).
type rule uint32

const (
	// What the code does not do.
	commitAnyEpoch    rule = 1 << iota // Commit does not ask for the epoch
	commitAnyLine                      // Commit does not ask for the line
	commitAnyState                     // Commit does not ask for PROCESSING
	claimOwned                         // Claim does not ask for the owner
	failedKeepsEpoch                   // Settle to FAILED does not raise the epoch
	foldOpen                           // a fold does not stop at open cursors
	promoteUnchecked                   // the receipts are not compared
	promoteEarly                       // nor are the parts waited for
	reuseNumber                        // the next fold has the number of the last
	redriveFolding                     // a FAILED object is redriven while the replay folds
	failedFirst                        // FAILED is written before the dead letter
	deleteFirst                        // a message is deleted before the next one is sent
	neverBringBack                     // lost work is not sent again
	finishBeforeClear                  // FINISHED before the tags are off
	neverTryAgain                      // a fold whose receipts do not close is not replaced

	// What it does against what stands in TestOpen and TestMutations, or could do.
	tagsAgain  // after a tag the replay is read afresh, and the tags go again if it is promoted or over
	overClears // a message of a replay that is over takes the tags off
	doneClears // a message for an object that is FINISHED has the tags looked after
	deadClears // so has a dead letter of a replay that is promoted or over, before it is dropped
	foldFences // a fold raises the epochs of the FAILED cursors before its parts are written down
	reopenAsks // Reopen asks in the same write whether the replay is RUNNING: another way to the same
	resendFold // open parts of a fold are sent again after a while, whatever else the queue holds
	givenUp    // a part's message is done with when the replay folds no more
)

// space is one bounded space to search.
type space struct {
	objects, parts, watchers int
	lines                    uint8 // of each object, up to three; each is a chunk
	kinds                    [objects]kind
	attempts                 uint8 // MaxAttempts
	faults                   uint8 // how many, of those in may
	may                      fault
	accepts, hands           uint8
	tags                     bool
	spare                    bool   // the work on objects is spared by chance
	weak                     bool   // faults outnumber the attempts: a healthy object may fail
	only                     string // what to look for; "": for everything
	rules                    rule
}

func (m *space) has(r rule) bool { return m.rules&r != 0 }

// start is what Driver.Continue leaves: RUNNING, a cursor, a tag and a message for each object.
func (m *space) start() state {
	s := state{replay: running, faults: m.faults, accepts: m.accepts, hands: m.hands}
	for o := range m.objects {
		s.cursors[o].state, s.visible[o], s.tagged[o] = pending, 1, m.tags
	}
	return s
}

// raise gives a cursor its next epoch: whoever holds the last one is fenced off.
func (m *space) raise(s *state, task uint8) {
	for i := range s.workers {
		if s.workers[i].task == task {
			s.workers[i].mine = false
		}
	}
	if s.judge.task == task {
		s.judge.mine = false
	}
	if s.late.task == task {
		if s.late.mine = false; !m.has(commitAnyEpoch) {
			s.late = write{} // it would be refused
		}
	}
}

// wrote raises the version of the replay's record.
func (s *state) wrote() {
	for i := range s.watchers {
		s.watchers[i].fresh = false
	}
}

func (s *state) send(task uint8) { s.visible[task] = min(s.visible[task]+1, many) }

func (s *state) bury(task uint8) { s.dead[task] = min(s.dead[task]+1, many) }

// idle is queue.Counts.Idle.
func (s *state) idle() bool {
	for _, w := range s.workers {
		if w.receipt {
			return false
		}
	}
	return s.visible == [tasks]uint8{}
}

// quiet says that nobody is at anything.
func (m *space) quiet(s *state) bool {
	return !m.clears(s) && s.idle() && s.workers == [2]worker{} && s.watchers == [2]watcher{} && s.judge == judge{} && s.operator == operator{}
}

func (s *state) open() (open bool, failures uint8) {
	for _, c := range s.cursors[:objects] {
		switch c.state {
		case pending, processing:
			open = true
		case failed:
			failures++
		}
	}
	return open, failures
}

// held is what operators are asked for: FAILED objects, and nothing else to be done.
func (s *state) held() bool {
	open, failures := s.open()
	return s.replay == running && !open && failures > s.accepted
}

// ordered gives states that differ by the names of the workers (and of the watchers) one form.
func (s *state) ordered() {
	if w := &s.workers; w[0].key() > w[1].key() {
		w[0], w[1] = w[1], w[0]
	}
}

func (w *worker) key() (k uint64) { // 8 bytes
	for _, v := range [...]uint8{
		uint8(w.at), uint8(w.then), w.task<<3 | bit(w.receipt)<<2 | bit(w.mine)<<1 | bit(w.accepted), w.line | w.to<<2 | w.want<<4,
		uint8(w.sum), uint8(w.sum >> 8), w.etag | w.attempts<<1, w.objects | w.counted<<2,
	} {
		k = k<<8 | uint64(v)
	}
	return k
}

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// line is how a partial of an object has a line once.
func lineOnce(line uint8) uint8 { return 1 << (2 * line) }

// upTo is a partial of the lines before line, each once.
func upTo(line uint8) (sum uint8) {
	for l := range line {
		sum |= lineOnce(l)
	}
	return sum
}

// counted is how many lines a partial has.
func counted(sum uint8) uint8 { return sum&3 + sum>>2&3 + sum>>4&3 }

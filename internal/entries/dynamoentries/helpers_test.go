package dynamoentries_test

import (
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

func part(generation int64, slot int) ledger.Part {
	return ledger.Part{Protocol: "dns", Generation: generation, Name: entries.LivePart(slot)}
}

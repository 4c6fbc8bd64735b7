package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/entries/dynamoentries"
)

// incoming looks at the incoming table, its index and its stream, where there is a live side, and tries what is done with them.
func (l *liveAWS) incoming(ctx context.Context) []Check {
	if !l.config.Live.On {
		return nil
	}
	table := l.config.AWS.Tables.Incoming
	on := "table " + table
	var checks []Check
	for _, f := range dynamoentries.Look(ctx, l.clients.dynamo, table) {
		switch {
		case errors.Is(f.Err, dynamo.ErrNoTable):
			return []Check{{On: on, What: "exists", State: StateMissing, Why: fmt.Sprintf(
				"there is none in %s: make it with reprise init --aws, or correct aws.tables.incoming", l.clients.region)}}
		case f.Err != nil && awsapi.StatusCode(f.Err) == 0:
			return nil // no answer: the checks of the other tables say so
		default:
			checks = append(checks, l.tried(partIncoming, on, f.Action, f.Err)...)
			checks = append(checks, incomingSetting(on, f))
		}
	}
	return append(checks, l.tryIncoming(ctx, on)...)
}

// incomingSetting is what was seen of the table.
func incomingSetting(on string, f dynamo.Finding) Check {
	if f.Action == dynamo.ActionDescribeTTL {
		return tableSetting(on, f)
	}
	c := tableSetting(on, f)
	c.What = "key id, index todo, stream of new images"
	return c
}

// tryIncoming tries what the roles do with the table, and with the ledger's tables because of it.
func (l *liveAWS) tryIncoming(ctx context.Context, on string) []Check {
	ledger, err := l.clients.openLedger(l.config)
	if err != nil {
		return []Check{{On: on, What: "can be opened", State: StateMissing, Why: err.Error()}}
	}
	entries, err := l.clients.openEntries(l.config, ledger)
	if err != nil {
		return []Check{{On: on, What: "can be opened", State: StateMissing, Why: err.Error()}}
	}
	places := map[dynamoentries.Place]struct {
		part part
		on   string
	}{
		dynamoentries.OnTable:  {partIncoming, on},
		dynamoentries.OnIndex:  {partIndex, on + ", index todo"},
		dynamoentries.OnStream: {partStream, on + ", stream"},
		dynamoentries.OnMeta:   {partMeta, "table " + l.config.AWS.Tables.Meta},
		dynamoentries.OnStats:  {partStats, "table " + l.config.AWS.Tables.Stats},
	}
	var checks []Check
	for _, f := range entries.Try(ctx) {
		if awsapi.ErrorCode(f.Err) == "ResourceNotFoundException" || errors.Is(f.Err, dynamoentries.ErrUntried) {
			continue // a table or a setting that is missing was told, and what was tried before it
		}
		at := places[f.Place]
		checks = append(checks, l.tried(at.part, at.on, f.Action, f.Err)...)
	}
	return checks
}

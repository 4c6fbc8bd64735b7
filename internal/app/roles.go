package app

import (
	"slices"

	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/entries/dynamoentries"
	"github.com/seed-56345083/reprise/queue/sqsqueue"
)

// Role is what a process does, and so what it must be allowed to.
type Role string

// The roles. `reprise run` has all of them.
const (
	RoleStart Role = "start" // start, and every other command of an operator: they do a watcher's steps, and look at what is set
	RoleWork  Role = "work"
	RoleWatch Role = "watch"
	// Beside a live side alone.
	RoleLive    Role = "live"    // counts the incoming table, as a process or as a Lambda function
	RoleArchive Role = "archive" // moves it to the archive
)

// Roles are all of them.
func Roles() []Role { return append(replaying(), siding()...) }

// replaying are the roles of a replay, siding those of a live side.
func replaying() []Role { return []Role{RoleStart, RoleWork, RoleWatch} }
func siding() []Role    { return []Role{RoleLive, RoleArchive} }

// rolesIn are those that there are with a configuration.
func rolesIn(c config.Config) []Role {
	if c.Live.On {
		return Roles()
	}
	return replaying()
}

// part is what permissions are about.
type part string

const (
	partWork     part = "queue"
	partDead     part = "dead-letter queue"
	partArchive  part = "bucket, archive.prefix"
	partPartials part = "bucket, partials/"
	partMeta     part = "table meta"
	partCursors  part = "table cursors"
	partStats    part = "table stats"
	partIncoming part = "table incoming"
	partIndex    part = "table incoming, index todo"
	partStream   part = "table incoming, stream"
)

// inTransaction is the permission to put, tried by another call: a transaction has none of its own.
const inTransaction = dynamo.ActionPut + " in TransactWriteItems"

// need is a permission and the roles that cannot do without it.
type need struct {
	part   part
	action string
	roles  []Role
	side   bool // beside a live side alone
}

// needs are all permissions, in the order in which they are told. Whoever adds a call to a driver adds it here, and to
// the table in docs/config.md.
var needs = append(needsOfReplays(), needsOfSide()...)

// needsOfReplays are those that there are without a live side too.
func needsOfReplays() []need {
	var (
		everyone  = replaying()
		driving   = []Role{RoleStart, RoleWatch} // what drives a replay
		working   = []Role{RoleWork}
		operating = []Role{RoleStart}
	)
	return []need{
		{part: partWork, action: sqsqueue.ActionURL, roles: everyone},
		{part: partWork, action: sqsqueue.ActionAttributes, roles: everyone},
		{part: partWork, action: sqsqueue.ActionSend, roles: everyone},
		{part: partWork, action: sqsqueue.ActionReceive, roles: working},
		{part: partWork, action: sqsqueue.ActionDelete, roles: working},
		{part: partWork, action: sqsqueue.ActionVisibility, roles: working},
		{part: partDead, action: sqsqueue.ActionURL, roles: everyone},
		{part: partDead, action: sqsqueue.ActionAttributes, roles: driving},
		{part: partDead, action: sqsqueue.ActionSend, roles: working},
		{part: partDead, action: sqsqueue.ActionReceive, roles: driving},
		{part: partDead, action: sqsqueue.ActionDelete, roles: driving},
		{part: partDead, action: sqsqueue.ActionVisibility, roles: driving},
		{part: partArchive, action: "s3:ListBucket", roles: everyone}, // without it S3 calls a missing object forbidden
		{part: partArchive, action: "s3:GetObject", roles: []Role{RoleStart, RoleWork}},
		{part: partArchive, action: "s3:GetObjectTagging", roles: everyone},
		{part: partArchive, action: "s3:PutObjectTagging", roles: everyone},
		{part: partArchive, action: "s3:DeleteObjectTagging", roles: everyone}, // a worker that comes after a cancel takes its tags off again
		{part: partPartials, action: "s3:ListBucket", roles: everyone},
		{part: partPartials, action: "s3:GetObject", roles: working},
		{part: partPartials, action: "s3:PutObject", roles: working},
		{part: partPartials, action: "s3:DeleteObject", roles: driving},
		{part: partMeta, action: dynamo.ActionDescribe, roles: operating},
		{part: partMeta, action: dynamo.ActionDescribeTTL, roles: operating},
		{part: partMeta, action: dynamo.ActionGet, roles: everyone},
		{part: partMeta, action: dynamo.ActionQuery, roles: everyone},
		{part: partMeta, action: dynamo.ActionPut, roles: everyone},
		{part: partMeta, action: inTransaction, roles: driving},
		{part: partMeta, action: dynamo.ActionUpdate, roles: driving},
		{part: partMeta, action: dynamo.ActionDelete, roles: driving},
		{part: partCursors, action: dynamo.ActionDescribe, roles: operating},
		{part: partCursors, action: dynamo.ActionGet, roles: everyone},
		{part: partCursors, action: dynamo.ActionQuery, roles: everyone},
		{part: partCursors, action: dynamo.ActionPut, roles: driving},
		{part: partCursors, action: dynamo.ActionUpdate, roles: everyone},
		{part: partStats, action: dynamo.ActionDescribe, roles: operating},
		{part: partStats, action: dynamo.ActionQuery, roles: driving},
		{part: partStats, action: dynamo.ActionPut, roles: working},
		{part: partStats, action: dynamo.ActionBatch, roles: everyone},
		{part: partStats, action: dynamo.ActionDelete, roles: driving},
	}
}

// needsOfSide are those that come with a live side. start archives what it can before it opens a replay; a watcher archives
// what was begun before, and counts what is left before it moves readers.
func needsOfSide() []need {
	var (
		counting  = []Role{RoleStart, RoleWatch, RoleLive, RoleArchive}
		archiving = []Role{RoleStart, RoleWatch, RoleArchive} // writes batches
		joining   = []Role{RoleStart, RoleArchive}            // begins them
		both      = siding()
		live      = []Role{RoleLive}
		operating = []Role{RoleStart}
	)
	list := []need{
		{part: partWork, action: sqsqueue.ActionURL, roles: both}, // every process opens all of the backend
		{part: partWork, action: sqsqueue.ActionAttributes, roles: both},
		{part: partDead, action: sqsqueue.ActionURL, roles: both},
		{part: partArchive, action: "s3:PutObject", roles: archiving},
		{part: partArchive, action: "s3:GetObject", roles: []Role{RoleWatch, RoleArchive}}, // compares an object that is there; S3 asks for it with If-Match too
		{part: partMeta, action: dynamo.ActionGet, roles: both},
		{part: partMeta, action: dynamo.ActionQuery, roles: live},
		{part: partMeta, action: dynamo.ActionPut, roles: both},
		{part: partMeta, action: inTransaction, roles: both},
		{part: partMeta, action: dynamo.ActionUpdate, roles: both},
		{part: partMeta, action: dynamo.ActionDelete, roles: both},
		{part: partMeta, action: dynamo.ActionCondition, roles: joining},
		{part: partStats, action: dynamo.ActionBatchGet, roles: counting},
		{part: partStats, action: dynamo.ActionPut, roles: counting},
		{part: partStats, action: dynamo.ActionQuery, roles: live}, // compaction
		{part: partStats, action: dynamo.ActionDelete, roles: live},
		{part: partIncoming, action: dynamo.ActionDescribe, roles: []Role{RoleStart, RoleLive}}, // it names the stream
		{part: partIncoming, action: dynamo.ActionDescribeTTL, roles: operating},
		{part: partIncoming, action: dynamo.ActionGet, roles: archiving},
		{part: partIncoming, action: dynamo.ActionBatchGet, roles: counting},
		{part: partIncoming, action: dynamo.ActionUpdate, roles: counting},
		{part: partIncoming, action: dynamo.ActionPut, roles: joining},
		{part: partIndex, action: dynamo.ActionQuery, roles: counting},
		{part: partStream, action: dynamoentries.ActionStream, roles: live},
		{part: partStream, action: dynamoentries.ActionIterator, roles: live},
		{part: partStream, action: dynamoentries.ActionRecords, roles: live},
	}
	for n := range list {
		list[n].side = true
	}
	return list
}

// rolesOf are those of the roles that need a permission, with or without a live side.
func rolesOf(p part, action string, among []Role, side bool) []Role {
	var found []Role
	for _, r := range among {
		if slices.ContainsFunc(needs, func(n need) bool {
			return n.part == p && n.action == action && (side || !n.side) && slices.Contains(n.roles, r)
		}) {
			found = append(found, r)
		}
	}
	return found
}

// Permission is one that roles cannot do without.
type Permission struct {
	On     string // what it is about, in the words of docs/config.md
	Action string
}

// Permissions are all that a role needs, with or without a live side: for those who write policies.
func Permissions(r Role, side bool) []Permission {
	var list []Permission
	for _, n := range needs {
		if n.action != inTransaction && (side || !n.side) && slices.Contains(n.roles, r) {
			list = append(list, Permission{On: string(n.part), Action: n.action})
		}
	}
	return list
}

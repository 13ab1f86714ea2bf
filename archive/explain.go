package archive

// explanation is a status in words: what it means, and what to do next.
type explanation struct{ means, next string }

const (
	keepCopy = "Keep a copy of the object as it is, with the report; it is evidence. "
	restore  = "Compare with another copy of the archive, and with the database where it still holds the month: " +
		"ward archive verify against that copy says which one is the signed one."
	askStore = "Ask whoever runs the store who wrote there and when: its own access log names them."
)

// explanations has every status.
var explanations = map[string]explanation{
	RowModified: {"A row's content, or the hash of the row before it, is not what was sealed: " +
		"somebody changed this row, or put another one in its place, after it was sealed.", keepCopy + restore},
	RowMissing: {"The clinic's chain has a gap: rows that were sealed are not in the archive where they belong.",
		keepCopy + restore},
	RowExtra: {"A place in the clinic's chain is taken twice: a row was added after sealing.",
		keepCopy + restore},
	RowReordered: {"Rows do not stand in the order in which they were sealed and shipped: " +
		"the file was put together by something other than ward.", keepCopy + restore},
	RowCountMismatch: {"The file holds another number of rows than the signed manifest says: " +
		"rows were removed or added.", keepCopy + restore},
	RootMismatch: {"The hashes of the rows in the file do not add up to what was signed: " +
		"at least one row is another one, is gone, or was added.", keepCopy + restore},
	WrongTenant: {"The file holds rows of a clinic that the signed manifest does not list: " +
		"they were moved here from elsewhere.", keepCopy + restore},
	WrongPeriod: {"The rows' times are not in the part's month, or not those that were signed: " +
		"rows were moved between months or their times changed.", keepCopy + restore},
	FileModified: {
		"The file is not the one whose SHA-256 was signed. It was damaged, rewritten, or exchanged after it was " +
			"shipped; which of its rows are others is not known, because a file that nobody signed is not parsed.",
		"Diagnose it (d, or ward archive verify --diagnose): that names the rows. " + keepCopy + restore},
	ManifestModified: {"The manifest, which says what the part holds, is not the one that the log's signature " +
		"covers: it was changed after it was signed.", keepCopy + restore},
	PartMissing: {"The signed log lists this part, and the store does not have it: somebody removed it, " +
		"or the copy is not complete.", "Where this is a copy, copy again. Where it is the store itself: " + askStore +
		" Another copy, or the database, may still hold the rows."},
	PartExtra: {"An object that the signed log does not list: " +
		"it was put there by something other than ward's shipper, or left by a run that was interrupted.",
		"It is no part of the archive; nothing in it counts. " + askStore},
	Unsigned: {"There is no valid signature where one must be: the note was changed, or never was ward's.",
		keepCopy + "Nothing that this note alone vouches for is proven. " + askStore},
	UntrustedKey: {"It is signed, but by a key that you do not trust: somebody else signed, " +
		"or your public key is an old one.", "Compare your public key's fingerprint, by telephone or on paper, " +
		"with the installation's. If it is right, this note is forged: " + askStore},
	KeyOutOfRange: {"It is signed by a key of this log that was not its key at that size: a retired key " +
		"was used again.", "Treat the retired key as stolen: find out who has it, and what else it signed since."},
	WrongLog: {"A validly signed note of another log, or under another name than its own: " +
		"it was copied here from another installation or region.",
		"Check that store and region are the ones you mean. If they are: " + askStore},
	RolledBack: {"The log ends before a head that was seen earlier: its tail was cut off, and with it the " +
		"newest rows.", "Do not ship to this store until it is understood. " + restore + " " + askStore},
	Forked: {"The log does not contain a head that was seen earlier: " +
		"its history was replaced by another one, signed with the real key.",
		"The signing key, or whoever holds it, made two histories: stop signing with it. " + restore},
	HeadMismatch: {"A row is not the one that a chain head named, which was published before the row was shipped: " +
		"the database was changed between sealing and shipping, or the file afterwards.", keepCopy + restore},
	Hidden: {"A delete marker or a later version stands over the object, " +
		"so that others who read the store do not see it. The original is still there, and was verified.",
		"Remove the marker or the later version in the store. " + askStore},
	LockMissing: {"Nothing in the store keeps this object from being deleted.",
		"Start the worker anew: it extends locks as it begins, where its credentials may. " +
			"Then run ward archive doctor with the worker's credentials."},
	LockGovernance: {"The lock is one that somebody with a permission can lift.",
		"Lock it in COMPLIANCE mode. Then run ward archive doctor with the worker's credentials."},
	LockShort: {"The lock ends before the retention that was signed.",
		"Start the worker anew: it extends locks as it begins, where its credentials may."},
	LockUnknown: {"The store did not say how it keeps these objects.", "Give the credentials s3:GetObjectRetention, " +
		"or verify without locks (--no-locks) where the bucket is your own copy."},
	Unreadable: {"It could not be read, which proves nothing, neither for nor against it.",
		"Try again; if it stays, try from another machine or with another copy. Where a damaged file was diagnosed, " +
			"its rows before the damage were compared."},
	Unsupported: {"It is written in a format that this version of ward does not know.", "Verify with a newer ward."},
	NotChecked: {"It could not be checked because of another finding.",
		"See to the other finding first, then verify again."},
	Unfinished: {"Newer than the log's head: a shipping run has not finished yet.",
		"Verify again in a few minutes. If it stays, see to the worker."},
	Recovered: {"The database lost rows that were published, in a failover or a restore, and a signed leaf of the " +
		"log says so: they are lost, and named.", "Hold the leaf against what you know of that day."},
	Expired: {"It is gone, and its retention has ended.", "Nothing, where its deletion was meant."},
}

// Explain says in words what a finding's status means, and what to do next.
func (f Finding) Explain() (means, next string) {
	x, ok := explanations[f.Status]
	if !ok {
		return "This version of ward does not know this status.", "Verify with a newer ward."
	}
	return x.means, x.next
}

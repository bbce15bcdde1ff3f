/** What a policy may call a database: a name for jobs, files and messages; `all` means every one of them */
export const databaseNamePattern = /^(?!all$)[a-z][a-z0-9-]{0,39}$/;

/** This action as a workflow names it, pinned to a commit */
export const pinnedActionPattern = /^[\w.-]+\/[\w.-]+@[0-9a-f]{40}$/;

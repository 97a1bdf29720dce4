// Package privilege gives up what an agent does not need: started as root, it becomes
// another user who may bind ports below 1024 and nothing more, and can never get it
// back.
package privilege

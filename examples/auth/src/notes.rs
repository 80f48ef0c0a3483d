//! Keeps the notes. It knows who calls, and nothing of tokens.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ambidex::{Request, RequestExt, Status, Stream, call};

use crate::Principal;
use crate::v1::*;

/// Everybody's notes, in memory.
#[derive(Debug, Default)]
pub struct NoteBook(Mutex<Vec<Note>>);

impl NoteBook {
    fn notes(&self) -> MutexGuard<'_, Vec<Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, owner: &Principal) -> Vec<Note> {
        self.notes().iter().filter(|note| note.owner == owner.subject).cloned().collect()
    }

    /// Deep code asks for the caller without being handed one.
    fn add(&self, text: String) -> Result<Note, Status> {
        let Principal { subject, .. } = call::value()?;
        let note = Note { owner: subject, text };
        self.notes().push(note.clone());
        Ok(note)
    }
}

#[ambidex::service]
impl Notes for NoteBook {
    async fn list_notes(&self, request: Request<ListNotesRequest>) -> Result<ListNotesResponse, Status> {
        let caller: &Principal = request.value()?;
        Ok(ListNotesResponse { notes: self.of(caller) })
    }

    async fn export_notes(
        &self,
        request: Request<ExportNotesRequest>,
    ) -> Result<impl Stream<Item = Result<Note, Status>>, Status> {
        let caller: &Principal = request.value()?;
        Ok(tokio_stream::iter(self.of(caller).into_iter().map(Ok)))
    }

    // Were there a disk below it, it would block: a `fn` may.
    fn add_note(&self, request: AddNoteRequest) -> Result<Note, Status> {
        self.add(request.text)
    }

    async fn delete_notes(&self, request: DeleteNotesRequest) -> Result<DeleteNotesResponse, Status> {
        let mut notes = self.notes();
        let before = notes.len();
        notes.retain(|note| note.owner != request.owner);
        Ok(DeleteNotesResponse { deleted: (before - notes.len()) as i32 })
    }
}

"""Voice chat: conversations whose replies are spoken while they are written."""

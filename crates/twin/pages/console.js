// Signs the viewer in by itself. The page has not loaded yet, so it leaves no entry in the history that Back would lead to.
document.getElementById('sign-in').submit();

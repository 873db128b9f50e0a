//! big-file's writer and reader.
pub fn write(_: &str, _: &str, _: &str) -> Result<(), Box<dyn std::error::Error>> {
    Err("not yet".into())
}
pub fn read(_: &str, _: &str, _: &str) -> Result<(), Box<dyn std::error::Error>> {
    Err("not yet".into())
}
